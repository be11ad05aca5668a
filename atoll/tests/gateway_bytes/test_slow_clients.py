"""Clients that do everything as slowly as they can: each is ended on time, and others are served meanwhile."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from atoll.gateway.settings import RouteSettings
from atoll.http1.server_limits import ServerLimits
from atoll.testing.eventually import eventually
from atoll.testing.gateways import OpenGateway, open_gateway
from atoll.testing.raw_http import connected
from atoll.testing.scripted_server import Peer, ScriptedServer

ROUTES = (RouteSettings(path="/things/**", to="things", access="public"),)
HEAD = b"POST /api/things HTTP/1.1\r\nHost: x\r\n"
BIG = b"GET /api/things/big HTTP/1.1\r\nHost: x\r\n\r\n"
SMALL = b"GET /api/things HTTP/1.1\r\nHost: x\r\n\r\n"
BIG_SIZE = 8 * 1024 * 1024

Slow = Callable[[int, float], Awaitable[bytes]]
"""A client of the gateway on a port that does something each so many seconds; gives all that it was answered."""


async def things(peer: Peer) -> None:
    while True:
        request = await peer.request()
        if request.target != "/things/big":
            await peer.answer(b"small")
            continue
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG_SIZE)
        for _ in range(BIG_SIZE // 65536):
            await peer.send(b"x" * 65536)


async def slow_head(port: int, pause: float) -> bytes:
    return await _drip(port, HEAD + b"X-Slow: ", pause)


async def slow_body(port: int, pause: float) -> bytes:
    return await _drip(port, HEAD + b"Content-Length: 100000\r\n\r\n", pause)


async def slow_chunks(port: int, pause: float) -> bytes:
    return await _drip(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", pause)


async def slow_start(port: int, pause: float) -> bytes:
    """Nothing but line ends, which are not the beginning of anything."""
    return await _drip(port, b"\r\n", pause, b"\r\n")


async def slow_reader(port: int, pause: float) -> bytes:
    """Asks for much, and never reads it."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.setblocking(False)
    await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=small, limit=1)
    writer.write(BIG)
    try:
        while reader.exception() is None and not writer.transport.is_closing():
            await asyncio.sleep(pause)
            if not writer.transport.is_closing():
                writer.write(b"\r\n")
    finally:
        writer.transport.abort()
    return b""


async def _drip(port: int, start: bytes, pause: float, drop: bytes = b"x") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(start)
    answered = asyncio.create_task(_read_all(reader))
    try:
        while not answered.done():
            await asyncio.wait([answered], timeout=pause)
            if not writer.transport.is_closing():
                writer.write(drop)
        return await answered
    finally:
        writer.transport.abort()


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    answer = b""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1024):
            answer += data
    return answer


async def ask_on(gateway: OpenGateway, until: asyncio.Event) -> list[float]:
    """How long it takes to be answered, asked again and again on a fresh connection."""
    seconds = []
    while not until.is_set():
        began = time.monotonic()
        async with connected(gateway.port, patience=60.0) as client:
            answer = await client.request(SMALL)
            assert answer.body == b"small", answer.json()["detail"]
        seconds.append(time.monotonic() - began)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await until.wait()
    return seconds


async def besiege(count: int, allowed: float, clients: dict[Slow, bytes]) -> tuple[float, list[float]]:
    """The seconds until all of `count` slow clients of these kinds were ended, and those that others waited meanwhile.

    Nobody is answered anything but what is said of its kind; most are, and the rest were reset before they read it.
    """
    limits = ServerLimits(head_timeout=allowed, body_timeout=allowed, write_timeout=allowed, idle_timeout=allowed)
    # the loop is behind when they all come at once, for the clients share it
    settings: dict[str, Any] = {"max_connections_per_instance": count // 2, "max_loop_delay": 3600.0}
    over = asyncio.Event()
    async with (
        ScriptedServer(things) as service,
        open_gateway({"things": service.port}, ROUTES, limits=limits, **settings) as door,
    ):
        asking = asyncio.create_task(ask_on(door, over))
        began = time.monotonic()
        kinds = list(clients)
        slow = [kinds[number % len(kinds)] for number in range(count)]
        answers = await asyncio.gather(*(each(door.port, allowed / 20) for each in slow))
        seconds = time.monotonic() - began
        over.set()
        waited = await asking

        told = [answer.startswith(clients[kind]) for kind, answer in zip(slow, answers, strict=True)]
        wrong = [answer for answer, right in zip(answers, told, strict=True) if answer and not right]
        assert not wrong
        assert sum(told) > count * 0.8
        return seconds, waited


KINDS: dict[Slow, bytes] = {
    slow_head: b"HTTP/1.1 408 ",
    slow_body: b"HTTP/1.1 408 ",
    slow_chunks: b"HTTP/1.1 408 ",
    slow_start: b"",
    slow_reader: b"",
}


async def test_slow_clients_are_ended_on_time_while_others_are_served() -> None:
    seconds, waited = await besiege(50, 0.5, KINDS)

    assert seconds < 10
    assert len(waited) > 3


async def test_clients_that_do_not_read_hold_half_of_a_services_connections_at_most() -> None:
    async with (
        ScriptedServer(things) as service,
        open_gateway({"things": service.port}, ROUTES, max_connections_per_instance=4) as door,
        contextlib.AsyncExitStack() as stack,
    ):
        readers = []
        for number in range(1, 7):
            readers.append(await stack.enter_async_context(connected(door.port)))
            readers[-1].pause()
            await readers[-1].send(BIG)
            await until_held(door, min(number, 2))
        async with connected(door.port) as other:
            answers = [(await other.request(SMALL)).body for _ in range(3)]
        for reader in readers[-2:]:
            reader.resume()
        whole = [len((await reader.answer()).body) for reader in readers[-2:]]

    assert answers == [b"small"] * 3
    assert whole == [BIG_SIZE] * 2  # who came last was not cut


async def until_held(door: OpenGateway, count: int) -> None:
    """Return when so many connections to the service are in use, by answers that nobody reads."""
    application: Any = door.server.application
    (upstream,) = application.rules._services["things"].upstreams.current()
    await eventually(lambda: upstream.pool.in_use == count)


@pytest.mark.faults
async def test_two_thousand_slow_clients_are_ended_on_time_while_others_are_served() -> None:
    seconds, waited = await besiege(2000, 10.0, KINDS)
    waited.sort()

    assert seconds < 90
    assert waited[len(waited) // 2] < 1.0
