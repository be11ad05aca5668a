"""Stopping under load: nothing that was received goes unanswered."""

import asyncio
from typing import Any

from atoll.gateway.settings import RouteSettings
from atoll.http1.server_limits import ServerLimits
from atoll.testing.raw_http import RawClient, connected
from atoll.testing.scripted_server import Peer, ScriptedServer, answer_all

Instances = Any
OpenDoor = Any

GET = b"GET /api/things HTTP/1.1\r\nHost: x\r\n\r\n"


async def ask_until_told_to_close(client: RawClient) -> int:
    """How many answers came; the last one says that the connection closes."""
    answered = 0
    while True:
        answer = await client.request(GET)
        assert answer.status == 200
        answered += 1
        if answer.fields.get("connection") == "close":
            return answered


async def test_a_stop_under_load_loses_nothing(open_door: OpenDoor, instances: Instances) -> None:
    warm = asyncio.Event()

    async def busy(peer: Peer) -> None:
        while True:
            await peer.request()
            if len(things.requests) >= 200:
                warm.set()
            await asyncio.sleep(0.002)
            await peer.answer(b"{}")

    async with ScriptedServer(busy) as things:
        door = await open_door(instances(things=things.port))

        async def ask() -> int:
            async with connected(door.port) as client:
                return await ask_until_told_to_close(client)

        asking = [asyncio.create_task(ask()) for _ in range(50)]
        await warm.wait()
        await door.server.stop_accepting()
        await door.server.drain(10)
        answered = sum(await asyncio.gather(*asking))

    assert answered == len(things.requests)


async def test_an_upload_in_hand_is_finished(open_door: OpenDoor, instances: Instances) -> None:
    async with ScriptedServer(answer_all) as things:
        door = await open_door(instances(things=things.port))
        async with connected(door.port) as client:
            await client.send(b"POST /api/things HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc")
            await things.until_open_connections(1)
            await door.server.stop_accepting()
            draining = asyncio.create_task(door.server.drain(10))
            await client.send(b"def")
            answer = await client.answer()
            await draining

    assert (answer.status, answer.fields["connection"]) == (200, "close")
    assert things.requests[0].body == b"abcdef"


async def drip(peer: Peer) -> None:
    """An answer that has begun, and never ends by itself."""
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
    await peer.gone()


ENDLESS = RouteSettings(path="/things", to="things", access="public", endless=True)


async def test_an_endless_answer_is_ended_whole_at_once(open_door: OpenDoor, instances: Instances) -> None:
    async with ScriptedServer(drip) as things:
        door = await open_door(instances(things=things.port), routes=[ENDLESS], limits=ServerLimits(drain_grace=0.05))
        async with connected(door.port) as client:
            await client.send(GET)
            head = await client.head()
            chunks = [await client.chunk()]
            await door.server.stop_accepting()
            async with asyncio.timeout(5):
                await door.server.drain(60)
                chunks.append(await client.chunk())
            await things.until_open_connections(0)

    assert 200 == head[0]
    assert [b"first", b""] == chunks


async def test_an_endless_answer_that_begins_when_the_door_closes_is_ended_as_well(
    open_door: OpenDoor, instances: Instances
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def late(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await go_on.wait()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await peer.gone()

    async with ScriptedServer(late) as things:
        door = await open_door(instances(things=things.port), routes=[ENDLESS], limits=ServerLimits(drain_grace=0.05))
        async with connected(door.port) as client:
            await client.send(GET)
            await asked.wait()
            await door.server.stop_accepting()
            go_on.set()
            async with asyncio.timeout(5):
                await door.server.drain(60)
                head = await client.head()

    assert 200 == head[0]


async def test_an_answer_with_a_length_is_waited_for_even_on_an_endless_route(
    open_door: OpenDoor, instances: Instances
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def sized(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        begun.set()
        await go_on.wait()
        await peer.send(b" last")
        await peer.gone()

    async with ScriptedServer(sized) as things:
        door = await open_door(instances(things=things.port), routes=[ENDLESS])
        async with connected(door.port) as client:
            await client.send(GET)
            await begun.wait()
            await client.head()
            await door.server.stop_accepting()
            go_on.set()
            body = await client.read(10)

    assert b"first last" == body


async def test_an_endless_answer_does_not_keep_the_door_open(open_door: OpenDoor, instances: Instances) -> None:
    async def endless(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        await peer.gone()

    async with ScriptedServer(endless) as things:
        door = await open_door(instances(things=things.port), limits=ServerLimits(drain_grace=0.05))
        async with connected(door.port) as client:
            await client.send(GET)
            await client.head()
            await door.server.stop_accepting()
            await door.server.drain(0.2)
            await things.until_open_connections(0)

    assert not door.server.connections
