"""Calls cancelled at any moment: nothing leaks, and nobody gets another one's answer."""

import asyncio
import os
import random
from collections.abc import AsyncIterator

import pytest

from atoll.calls import ServiceClient, Timeouts
from atoll.discovery.directory import FixedDirectory
from atoll.testing.scripted_server import Peer, ScriptedServer
from atoll.wire import Model


class Echo(Model):
    path: str


async def echo(peer: Peer) -> None:
    """Answers with the path that was asked for, in pieces, so that calls are cancelled half-way too."""
    while True:
        request = await peer.request()
        body = b'{"path":"%b"}' % request.target.encode()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        await asyncio.sleep(0)
        await peer.send(body[:5])
        await asyncio.sleep(0)
        await peer.send(body[5:])


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def body() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield b"piece"
        await asyncio.sleep(0)


async def call(client: ServiceClient, number: int) -> None:
    path = f"/{number}"
    match number % 3:
        case 0:
            assert await client.get(path, into=Echo) == Echo(path=path)
        case 1:
            assert await client.post(path, body(), into=Echo) == Echo(path=path)
        case _:
            async with client.stream("GET", path) as response:
                pieces = [piece async for piece in response]
            assert b"".join(pieces) == b'{"path":"%b"}' % path.encode()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files where Linux lists them")
@pytest.mark.parametrize("connections", [1, 5, 100])
async def test_a_thousand_cancelled_calls_leave_nothing_behind(connections: int) -> None:
    chance = random.Random(connections)  # noqa: S311 - any moments will do
    async with asyncio.timeout(100), ScriptedServer(echo) as server:
        directory = FixedDirectory({"echo": server.url})
        async with ServiceClient("echo", directory) as client:
            await call(client, 0)  # the event loop opens files of its own at first use
        await server.until_open_connections(0)
        await turns(5)
        before = open_files()
        async with ServiceClient(
            "echo", directory, max_connections=connections, timeouts=Timeouts(attempt=60, total=60)
        ) as client:
            for start in range(0, 1000, 50):
                calls = [asyncio.create_task(call(client, start + number)) for number in range(50)]
                for task in calls:
                    await turns(chance.randrange(4))
                    if chance.random() < 0.7:
                        task.cancel()
                results = await asyncio.gather(*calls, return_exceptions=True)
                assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results)
            (upstream,) = client.upstreams.current()
            assert (upstream.pool.connecting, upstream.pool.waiting) == (0, 0)

            await asyncio.gather(*(call(client, number) for number in range(200)))
            await server.until_open_connections(upstream.pool.idle)
            assert upstream.pool.in_use == 0
            assert upstream.pool.idle <= connections
        await server.until_open_connections(0)
        await turns(5)

        assert open_files() == before
        assert len(asyncio.all_tasks()) == 1


async def test_a_cancelled_call_closes_its_connection() -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    async with (
        asyncio.timeout(20),
        ScriptedServer(silent) as server,
        ServiceClient("silent", FixedDirectory({"silent": server.url})) as client,
    ):
        task = asyncio.create_task(client.get("/", into=Echo))
        await server.until_open_connections(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        await server.until_open_connections(0)
        assert len(server.requests) <= 1
