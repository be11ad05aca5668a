"""Bodies that come piece by piece, both ways."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from atoll.calls import (
    CallTimeout,
    ConnectionLost,
    InvalidAnswer,
    RetryPolicy,
    ServiceClient,
    Timeouts,
    UpstreamProblem,
)
from atoll.discovery.directory import FixedDirectory
from atoll.testing.scripted_server import Peer, Script, ScriptedServer, answer_all


@asynccontextmanager
async def calling(script: Script, **options: Any) -> AsyncIterator[tuple[ServiceClient, ScriptedServer]]:
    options = {"retry": RetryPolicy(initial_backoff=0.0)} | options
    async with (
        asyncio.timeout(60),
        ScriptedServer(script) as server,
        ServiceClient("products", FixedDirectory({"products": server.url}), **options) as client,
    ):
        yield client, server


class Source:
    """A body of so many pieces, which knows how many were taken, and whether it was left."""

    def __init__(self, pieces: int, size: int = 1, *, fail_after: int | None = None) -> None:
        self.taken = 0
        self.left = False
        self._pieces = pieces
        self._size = size
        self._fail_after = fail_after

    async def body(self) -> AsyncIterator[bytes]:
        try:
            while self.taken < self._pieces:
                if self.taken == self._fail_after:
                    raise ZeroDivisionError
                self.taken += 1
                yield b"x" * self._size
                await asyncio.sleep(0)
        finally:
            self.left = True


async def forever() -> AsyncIterator[bytes]:
    yield b"first"
    await asyncio.Event().wait()


# Answers.


async def test_pieces_of_an_answer_come_as_they_are_sent() -> None:
    more = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n5\r\nhello\r\n")
        await more.wait()
        await peer.send(b"6\r\n world\r\n0\r\n\r\n")
        await answer_all(peer)

    async with calling(script) as (client, server):
        async with client.stream("GET", "/") as response:
            assert response.status == 200
            assert response.headers["x-a"] == "1"
            assert await anext(response) == b"hello"
            more.set()
            assert [piece async for piece in response] == [b" world"]
        await client.put("/")

        assert server.connections == 1


async def test_leaving_early_closes_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
        await peer.gone()

    async with calling(script) as (client, server):
        async with client.stream("GET", "/") as response:
            assert await anext(response) == b"hello"
        await server.until_open_connections(0)


async def test_an_answer_is_read_no_faster_than_it_is_taken() -> None:
    size = 64 * 1024 * 1024
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            await peer.send(b"x" * 65536)
            sent += 65536
        await answer_all(peer)

    async with calling(script) as (client, server):
        async with client.stream("GET", "/") as response:
            before = -1
            while before != sent:  # until every buffer is full
                before = sent
                await asyncio.sleep(0.05)
            assert sent < size // 2
            assert response._exchange._size < 400 * 1024

            taken = 0
            async for piece in response:
                taken += len(piece)
            assert taken == size
        await client.put("/")

        assert server.connections == 1


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_connection_that_is_lost_in_the_middle_is_told_after_what_came(end: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        await asyncio.sleep(0.01)
        await peer.send(b"hello")
        await asyncio.sleep(0.01)
        if end == "reset":
            peer.reset()

    async with calling(script) as (client, _), client.stream("GET", "/") as response:
        assert await anext(response) == b"hello"
        with pytest.raises(ConnectionLost):
            await anext(response)


async def test_an_answer_that_breaks_its_framing_is_told() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await asyncio.sleep(0.01)
        await peer.send(b"nonsense")
        await peer.gone()

    async with calling(script) as (client, _), client.stream("GET", "/") as response:
        with pytest.raises(InvalidAnswer):
            await anext(response)


async def test_a_problem_is_raised_before_the_stream_begins() -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.answer(b'{"detail":"No such order."}', status=404)

    async with calling(script) as (client, server):
        for _ in range(2):
            with pytest.raises(UpstreamProblem, match="No such order"):
                async with client.stream("GET", "/"):
                    pytest.fail("there is nothing to stream")

        assert server.connections == 1


async def test_a_problem_without_an_end_is_cut() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 500 Oops\r\n\r\n")
        while True:
            await peer.send(b"x" * 65536)

    async with calling(script) as (client, server):
        with pytest.raises(UpstreamProblem, match="500"):
            async with client.stream("POST", "/"):
                pytest.fail("there is nothing to stream")
        await server.until_open_connections(0)


async def silent_after_head(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    await peer.gone()


async def test_a_stream_ends_with_the_time_for_the_call() -> None:
    async with calling(silent_after_head) as (client, server):
        with pytest.raises(CallTimeout):
            async with client.stream("GET", "/", timeout=Timeouts(attempt=0.1, total=0.3)) as response:
                await anext(response)
        await server.until_open_connections(0)


async def test_a_stream_without_a_bound_outlives_the_attempt() -> None:
    async def slow(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        await asyncio.sleep(0.3)
        await peer.send(b"hello")
        await peer.gone()

    async with calling(slow) as (client, server):
        async with client.stream("GET", "/", timeout=Timeouts(attempt=0.1, total=math.inf)) as response:
            assert await anext(response) == b"hello"

        assert "atoll-remaining-ms" not in server.requests[0].fields


async def test_the_head_of_a_stream_must_come_within_the_attempt() -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    async with calling(silent) as (client, server):
        with pytest.raises(CallTimeout):
            async with client.stream("GET", "/", timeout=Timeouts(attempt=0.05, total=math.inf)):
                pytest.fail("there is nothing to stream")

        assert len(server.requests) == 3


async def test_an_error_inside_the_block_closes_the_connection_and_comes_out() -> None:
    async with calling(silent_after_head) as (client, server):
        with pytest.raises(ZeroDivisionError):
            async with client.stream("GET", "/"):
                raise ZeroDivisionError
        await server.until_open_connections(0)


# Requests.


async def test_a_body_is_sent_as_its_pieces_come() -> None:
    source = Source(pieces=5, size=3)
    async with calling(answer_all) as (client, server):
        await client.post("/import", source.body(), headers={"Content-Type": "text/csv"})
        await client.put("/")

        assert server.requests[0].body == b"x" * 15
        assert server.requests[0].fields["content-type"] == "text/csv"
        assert server.connections == 1
        assert source.left


async def test_an_empty_piece_does_not_end_the_body() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"a"
        yield b""
        yield b"b"

    async with calling(answer_all) as (client, server):
        await client.post("/", body())

        assert server.requests[0].body == b"ab"


async def test_a_body_is_taken_no_faster_than_the_server_reads() -> None:
    read_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await read_on.wait()
        while await peer.chunk():
            pass
        await peer.answer()
        await peer.gone()

    source = Source(pieces=1024, size=65536)
    async with calling(script) as (client, _):
        call = asyncio.create_task(client.post("/", source.body(), timeout=Timeouts(attempt=30, total=30)))
        before = -1
        while before != source.taken:  # until every buffer is full
            before = source.taken
            await asyncio.sleep(0.05)
        assert source.taken < 512

        read_on.set()
        await call
        assert source.taken == 1024


async def test_an_answer_that_comes_early_ends_the_sending() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.chunk()
        await peer.answer(b'{"detail":"Too large."}', status=413)
        await peer.gone()

    source = Source(pieces=1_000_000, size=1)
    async with calling(script) as (client, server):
        with pytest.raises(UpstreamProblem, match="Too large"):
            await client.post("/", source.body())

        assert source.left
        assert source.taken < 1_000_000
        await server.until_open_connections(0)


async def test_an_early_answer_does_not_wait_for_a_body_that_stalls() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.answer(status=204)
        await peer.gone()

    async with calling(script) as (client, server):
        await client.post("/", forever())
        await server.until_open_connections(0)


async def test_what_the_body_raises_comes_out_and_the_request_is_never_whole() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        pytest.fail("the request must not be whole")

    source = Source(pieces=10, fail_after=3)
    async with calling(script) as (client, server):
        with pytest.raises(ZeroDivisionError):
            await client.put("/", source.body())
        await server.until_open_connections(0)

        assert server.connections == 1


async def test_a_body_in_pieces_is_never_sent_twice() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()

    async with calling(script) as (client, server):
        with pytest.raises(ConnectionLost):
            await client.put("/", Source(pieces=3).body(), idempotency_key="k")

        assert len(server.requests) == 1


async def test_both_ways_at_once() -> None:
    async def echo(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while chunk := await peer.chunk():
            await peer.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        await peer.send(b"0\r\n\r\n")
        await answer_all(peer)

    heard = asyncio.Event()

    async def conversation() -> AsyncIterator[bytes]:
        yield b"hello"
        await heard.wait()
        yield b"goodbye"

    async with calling(echo) as (client, server):
        async with client.stream("POST", "/", body=conversation()) as response:
            assert await anext(response) == b"hello"
            heard.set()
            assert [piece async for piece in response] == [b"goodbye"]
        await client.put("/")

        assert server.connections == 1
