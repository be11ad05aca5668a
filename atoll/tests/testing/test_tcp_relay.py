"""The relay does to connections what it is told to."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from atoll.testing.scripted_server import Peer, ScriptedServer, answer_all
from atoll.testing.tcp_relay import BlackHole, Delay, Garbage, HalfClose, Reset, SlowBytes, TcpRelay

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
ANSWER = b"HTTP/1.1 200 Scripted\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
async def relay() -> AsyncIterator[TcpRelay]:
    async with asyncio.timeout(30), ScriptedServer(answer_all) as server, TcpRelay(server.url) as relay:
        yield relay


async def answer(relay: TcpRelay) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    try:
        writer.write(REQUEST)
        return await reader.readexactly(len(ANSWER))
    finally:
        writer.close()


async def test_without_a_fault_everything_passes(relay: TcpRelay) -> None:
    assert await answer(relay) == ANSWER
    assert (relay.connections, relay.requests) == (1, 1)


async def test_a_delay_delays(relay: TcpRelay) -> None:
    relay.fault = Delay(0.1)
    began = time.monotonic()

    assert await answer(relay) == ANSWER
    assert time.monotonic() - began >= 0.1


async def test_slow_bytes_are_slow_and_whole(relay: TcpRelay) -> None:
    relay.fault = SlowBytes(0.001)
    began = time.monotonic()

    assert await answer(relay) == ANSWER
    assert time.monotonic() - began >= 0.001 * len(ANSWER)


async def test_a_black_hole_takes_everything_and_gives_nothing(relay: TcpRelay) -> None:
    relay.fault = BlackHole()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await answer(relay)
    assert relay.requests == 1


async def test_a_reset_resets(relay: TcpRelay) -> None:
    relay.fault = Reset()

    with pytest.raises(ConnectionResetError):
        await answer(relay)


async def test_a_half_close_ends_the_answer(relay: TcpRelay) -> None:
    relay.fault = HalfClose()

    with pytest.raises(asyncio.IncompleteReadError) as caught:
        await answer(relay)
    assert caught.value.partial == b""


async def test_garbage_comes_in_place_of_the_answer(relay: TcpRelay) -> None:
    relay.fault = Garbage(b"x" * len(ANSWER))

    assert await answer(relay) == b"x" * len(ANSWER)


async def test_open_connections_can_be_cut(relay: TcpRelay) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(REQUEST)
    await reader.readexactly(len(ANSWER))
    relay.cut()

    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_nobody_listens_when_it_stops(relay: TcpRelay) -> None:
    relay.stop_listening()

    with pytest.raises(ConnectionRefusedError):
        await answer(relay)


async def test_a_target_that_closes_is_passed_on() -> None:
    async def close_at_once(peer: Peer) -> None:
        await peer.request()

    async with asyncio.timeout(30), ScriptedServer(close_at_once) as server, TcpRelay(server.url) as relay:
        with pytest.raises(asyncio.IncompleteReadError):
            await answer(relay)
