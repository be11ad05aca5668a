"""Bodies on their way through: as they come, in both directions, with bounded memory."""

import asyncio
import os
from typing import Any

import pytest

from atoll.testing.raw_http import connected
from atoll.testing.scripted_server import Peer, ScriptedServer, answer_all

Instances = Any
OpenDoor = Any

GET = b"GET /api/things HTTP/1.1\r\nHost: x\r\n\r\n"
MEBIBYTE = 1024 * 1024


async def test_an_endless_answer_passes_piece_by_piece(open_door: OpenDoor, instances: Instances) -> None:
    go_on = asyncio.Event()

    async def events(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            await peer.send(b"8\r\ndata: 1\n\r\n")
            await go_on.wait()
            go_on.clear()
        await peer.gone()

    async with ScriptedServer(events) as things:
        door = await open_door(instances(things=things.port))
        async with connected(door.port) as client:
            await client.send(GET)
            status, fields = await client.head()
            pieces = []
            for _ in range(3):
                pieces.append(await client.chunk())
                go_on.set()
        await things.until_open_connections(0)  # the client has gone, so upstream is let go

    assert (status, fields["content-type"]) == (200, "text/event-stream")
    assert pieces == [b"data: 1\n"] * 3


async def test_an_answer_that_ends_with_its_connection_is_framed_anew(
    open_door: OpenDoor, instances: Instances
) -> None:
    async def until_close(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nsome ")
        await peer.send(b"thing")

    async with ScriptedServer(until_close) as things:
        door = await open_door(instances(things=things.port))
        async with connected(door.port) as client:
            new = await client.request(GET)
            old = await client.request(b"GET /api/things HTTP/1.0\r\n\r\n")

    assert (new.body, new.fields["transfer-encoding"]) == (b"some thing", "chunked")
    assert (old.body, old.fields["connection"]) == (b"some thing", "close")


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_without_a_body_stay_without(open_door: OpenDoor, instances: Instances, status: int) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(b"HTTP/1.1 %d X\r\nETag: a\r\n\r\n" % status)

    async with ScriptedServer(script) as things:
        door = await open_door(instances(things=things.port))
        async with connected(door.port) as client:
            answers = [await client.request(GET) for _ in range(2)]

    assert [(each.status, each.fields["etag"], each.body) for each in answers] == [(status, "a", b"")] * 2
    assert things.connections == 1


async def test_head_keeps_its_length_and_the_connections(open_door: OpenDoor, instances: Instances) -> None:
    async def script(peer: Peer) -> None:
        while True:
            request = await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
            if request.method != "HEAD":
                await peer.send(b"hello")

    async with ScriptedServer(script) as things:
        door = await open_door(instances(things=things.port))
        async with connected(door.port) as client:
            head = await client.request(b"HEAD /api/things HTTP/1.1\r\nHost: x\r\n\r\n")
            get = await client.request(GET)

    assert (head.fields["content-length"], head.body) == ("5", b"")
    assert get.body == b"hello"
    assert things.connections == 1


async def test_interim_answers_stay_behind_and_the_client_is_invited_by_us(
    open_door: OpenDoor, instances: Instances
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n")
        await peer.answer(b"done")

    async with ScriptedServer(script) as things:
        door = await open_door(instances(things=things.port))
        async with connected(door.port) as client:
            await client.send(
                b"POST /api/things HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
            )
            invitation = await client.head()
            await client.send(b"abc")
            answer = await client.head()

    assert invitation == (100, {})
    assert answer[0] == 200
    assert (things.requests[0].body, "expect" in things.requests[0].fields) == (b"abc", False)


async def test_bodies_of_requests_pass_with_their_length_or_in_chunks(
    open_door: OpenDoor, instances: Instances
) -> None:
    async with ScriptedServer(answer_all) as things:
        door = await open_door(instances(things=things.port))
        async with connected(door.port) as client:
            await client.request(b"POST /api/things HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
            await client.request(
                b"POST /api/things HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: gone\r\n\r\n"
            )
            await client.request(b"POST /api/things HTTP/1.1\r\nHost: x\r\n\r\n")
    sized, chunked, empty = things.requests

    assert (sized.body, sized.fields["content-length"]) == (b"hello", "5")
    assert (chunked.body, chunked.fields["transfer-encoding"]) == (b"hello", "chunked")
    assert (empty.body, empty.fields["content-length"]) == (b"", "0")


async def test_a_big_body_passes_whole_in_both_directions(open_door: OpenDoor, instances: Instances) -> None:
    body = os.urandom(8 * MEBIBYTE)

    async def mirror(peer: Peer) -> None:
        request = await peer.request()
        await peer.answer(request.body)

    async with ScriptedServer(mirror) as parts:
        door = await open_door(instances(parts=parts.port))
        async with connected(door.port) as client:
            head = b"POST /api/things/1/parts HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
            sending = asyncio.create_task(client.send(head + body))
            answer = await client.answer()
            await sending

    assert answer.body == body


async def test_a_client_that_reads_slowly_slows_the_service(open_door: OpenDoor, instances: Instances) -> None:
    sent = 0

    async def endless(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (200 * MEBIBYTE))
        for _ in range(200):
            await peer.send(b"x" * MEBIBYTE)
            sent += 1

    async with ScriptedServer(endless) as things:
        door = await open_door(instances(things=things.port))
        async with connected(door.port) as client:
            client.pause()
            await client.send(GET)
            before = -1
            while sent != before or not sent:
                before = sent
                await asyncio.sleep(0.1)
            stuck_at = sent
            client.resume()
            answer = await client.answer()

    assert stuck_at < 40  # what the buffers of two pairs of sockets hold
    assert len(answer.body) == 200 * MEBIBYTE


async def test_a_service_that_reads_slowly_slows_the_client(open_door: OpenDoor, instances: Instances) -> None:
    read_on = asyncio.Event()

    async def slow_reader(peer: Peer) -> None:
        await peer.head()
        await read_on.wait()
        size = 0
        while chunk := await peer.chunk():
            size += len(chunk)
        await peer.answer(b"%d" % size)

    async with ScriptedServer(slow_reader) as parts:
        door = await open_door(instances(parts=parts.port), attempt_timeout=30.0)
        async with connected(door.port) as client:
            await client.send(b"POST /api/things/1/parts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            sent = 0

            async def upload() -> None:
                nonlocal sent
                for _ in range(40):
                    await client.send(b"100000\r\n" + b"x" * MEBIBYTE + b"\r\n")
                    sent += 1
                await client.send(b"0\r\n\r\n")

            uploading = asyncio.create_task(upload())
            before = -1
            while sent != before or not sent:
                before = sent
                await asyncio.sleep(0.1)
            stuck_at = sent
            read_on.set()
            await uploading
            answer = await client.answer()

    assert stuck_at < 30
    assert answer.body == b"%d" % (40 * MEBIBYTE)


async def test_an_answer_before_the_request_is_whole_passes_and_ends_the_connection(
    open_door: OpenDoor, instances: Instances
) -> None:
    async def too_large(peer: Peer) -> None:
        await peer.head()
        await peer.answer(b"too large", status=413)

    async with ScriptedServer(too_large) as parts:
        door = await open_door(instances(parts=parts.port))
        async with connected(door.port) as client:
            await client.send(
                b"POST /api/things/1/parts HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000
            )
            answer = await client.answer()
            closed = await client.is_closed()

    assert (answer.status, answer.body, answer.fields["connection"]) == (413, b"too large", "close")
    assert closed


async def test_a_client_that_goes_lets_the_service_go(open_door: OpenDoor, instances: Instances) -> None:
    async def wait(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    async with ScriptedServer(wait) as things:
        door = await open_door(instances(things=things.port))
        async with connected(door.port) as client:
            await client.send(GET)
            await things.until_open_connections(1)
        await things.until_open_connections(0)
        metrics = await door.ask_ops(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")

    assert b'http_response_status_code="499",http_route="/things"' in metrics.body
