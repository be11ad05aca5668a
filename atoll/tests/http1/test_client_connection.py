"""One connection to a scripted server: what its receiver hears, and whether it may be used again."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from atoll.http1.client_connection import ClientConnection
from atoll.http1.errors import ConnectionEnded, InvalidAnswer
from atoll.http1.messages import LAST_CHUNK, Fields, chunk
from atoll.http1.pool import ConnectionPool
from atoll.testing.recording_receiver import RecordingReceiver
from atoll.testing.scripted_server import Peer, Script, ScriptedServer, answer_all

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: test\r\n\r\n"
POST_CHUNKED = b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
NOT_PLAIN = "Connection: keep-alive\r\n"
"""Has an answer come in parts, though it came in one piece."""

Ends = tuple[ScriptedServer, ConnectionPool, ClientConnection]


@asynccontextmanager
async def connected(script: Script) -> AsyncIterator[Ends]:
    async with (
        asyncio.timeout(20),
        ScriptedServer(script) as server,
        ConnectionPool("127.0.0.1", server.port) as pool,
    ):
        yield server, pool, await pool.acquire()


async def over(connection: ClientConnection, request: bytes = GET, *, to_head: bool = False) -> RecordingReceiver:
    receiver = RecordingReceiver()
    connection.start(request, receiver, to_head=to_head)
    await receiver.over.wait()
    return receiver


async def test_an_answer_comes_in_parts_and_the_connection_goes_back() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"hello", status=201, fields="X-One: 1\r\n")
        await peer.gone()

    async with connected(script) as (_, pool, connection):
        receiver = await over(connection)

        assert receiver.status == 201
        assert (b"X-One", b"1") in receiver.fields
        assert receiver.body == b"hello"
        assert receiver.ends == [True]
        assert pool.take() is connection


async def test_a_plain_answer_comes_whole_when_its_connection_is_back() -> None:
    class Taker(RecordingReceiver):
        def on_whole(self, status: int, fields: Fields, body: bytes, reusable: bool) -> None:
            self.taken = pool.take()
            super().on_whole(status, fields, body, reusable)

    async with connected(answer_all) as (_, pool, connection):
        receiver = Taker()
        connection.start(GET, receiver)
        await receiver.over.wait()

        assert receiver.taken is connection
        assert receiver.ends == [True]


async def test_one_request_follows_the_other_on_the_same_connection() -> None:
    async with connected(answer_all) as (server, pool, connection):
        for _ in range(10):
            assert (await over(connection)).ends == [True]
            assert pool.take() is connection

        assert server.connections == 1
        assert len(server.requests) == 10


async def test_the_answer_to_head_has_no_body_and_the_next_one_has() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        await peer.request()
        await peer.answer(b"hello")
        await peer.gone()

    async with connected(script) as (_, pool, connection):
        receiver = await over(connection, HEAD, to_head=True)
        assert receiver.body == b""
        assert receiver.ends == [True]

        assert pool.take() is connection
        assert (await over(connection)).body == b"hello"


async def test_a_body_until_close_ends_with_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")

    async with connected(script) as (_, pool, connection):
        receiver = await over(connection)

        assert receiver.body == b"hello"
        assert receiver.ends == [False]
        assert pool.take() is None


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"])
@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_connection_that_ends_too_early_is_told(sent: bytes, end: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(sent)
        if end == "reset":
            peer.reset()

    async with connected(script) as (_, pool, connection):
        receiver = await over(connection)

        assert [type(fault) for fault in receiver.faults] == [ConnectionEnded]
        assert receiver.ends == []
        assert not connection.usable
        assert pool.take() is None


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"])
async def test_an_answer_that_breaks_the_rules_closes_the_connection(answer: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)
        await peer.gone()

    async with connected(script) as (server, _, connection):
        receiver = await over(connection)

        assert [type(fault) for fault in receiver.faults] == [InvalidAnswer]
        await server.until_open_connections(0)


async def test_bytes_after_the_end_of_an_answer_close_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\n")
        await peer.gone()

    async with connected(script) as (server, pool, connection):
        receiver = await over(connection)

        assert receiver.body == b"hello"
        assert receiver.ends == [False]
        assert pool.take() is None
        await server.until_open_connections(0)


@pytest.mark.parametrize("unasked", [b"HTTP/1.1 408 Request Timeout\r\n\r\n", b"\r\n", b""])
async def test_bytes_and_ends_while_idle_close_the_connection(unasked: bytes) -> None:
    more = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.answer()
        await more.wait()
        await peer.send(unasked)
        if not unasked:
            peer.close()
        await peer.gone()

    async with connected(script) as (server, pool, connection):
        assert (await over(connection)).ends == [True]
        assert pool.idle == 1

        more.set()
        await server.until_open_connections(0)

        assert pool.idle == 0
        assert pool.take() is None


async def test_an_abandoned_answer_closes_the_connection_and_tells_nobody() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
        await peer.gone()

    async with connected(script) as (server, pool, connection):
        receiver = RecordingReceiver()
        connection.start(GET, receiver)
        await receiver.until_body_has(2)

        connection.abandon(receiver)
        await server.until_open_connections(0)

        assert receiver.ends == []
        assert receiver.faults == []
        assert pool.take() is None


async def test_a_receiver_may_abandon_in_the_middle_of_a_callback() -> None:
    class Leaver(RecordingReceiver):
        connection: ClientConnection

        def on_head(self, status: int, fields: Fields) -> None:
            super().on_head(status, fields)
            self.connection.abandon(self)

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"hello", fields=NOT_PLAIN)
        await peer.gone()

    async with connected(script) as (server, pool, connection):
        receiver = Leaver()
        receiver.connection = connection
        connection.start(GET, receiver)
        await server.until_open_connections(0)

        assert receiver.body == b""
        assert receiver.ends == []
        assert pool.take() is None


async def test_a_receiver_may_start_the_next_request_in_on_end() -> None:
    class Chain(RecordingReceiver):
        def __init__(self, pool: ConnectionPool, left: int) -> None:
            super().__init__()
            self.pool = pool
            self.left = left
            self.finished: asyncio.Future[ClientConnection] = asyncio.get_running_loop().create_future()

        def on_end(self, reusable: bool) -> None:
            connection = self.pool.take()
            assert connection is not None
            if self.left == 0:
                self.finished.set_result(connection)
                return
            following = Chain(self.pool, self.left - 1)
            following.finished = self.finished
            connection.start(GET, following)

    async with connected(answer_all) as (server, pool, connection):
        first = Chain(pool, 5)
        connection.start(GET, first)

        assert await first.finished is connection
        assert len(server.requests) == 6


async def test_what_a_receiver_raises_loses_the_connection_and_is_not_swallowed() -> None:
    class Broken(RecordingReceiver):
        def on_body(self, data: bytes) -> None:
            raise ZeroDivisionError

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"hello", fields=NOT_PLAIN)
        await peer.gone()

    raised: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: raised.append(told.get("exception")))

    async with connected(script) as (_, pool, connection):
        receiver = Broken()
        connection.start(GET, receiver)
        await receiver.over.wait()

        assert [type(fault) for fault in receiver.faults] == [ConnectionEnded]
        assert pool.take() is None
    assert [type(error) for error in raised] == [ZeroDivisionError]


async def test_a_second_request_cannot_start_before_the_first_has_ended() -> None:
    async with connected(answer_all) as (_, _, connection):
        connection.start(GET, RecordingReceiver())

        with pytest.raises(RuntimeError):
            connection.start(GET, RecordingReceiver())


async def test_a_body_is_sent_in_pieces() -> None:
    async with connected(answer_all) as (server, _, connection):
        receiver = RecordingReceiver()
        connection.start(POST_CHUNKED, receiver, more=True)
        connection.send(receiver, chunk(b"hel"))
        connection.send(receiver, chunk(b"lo"))
        connection.finish(receiver, LAST_CHUNK)
        await receiver.over.wait()

        assert receiver.ends == [True]
        assert [request.body for request in server.requests] == [b"hello"]


async def test_an_answer_that_comes_before_the_request_is_whole_closes_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.answer(b"too large", status=413)
        await peer.gone()

    async with connected(script) as (server, pool, connection):
        receiver = RecordingReceiver()
        connection.start(POST_CHUNKED, receiver, more=True)
        connection.send(receiver, chunk(b"hello"))
        await receiver.over.wait()
        connection.send(receiver, chunk(b"nobody wants this"))
        connection.finish(receiver, LAST_CHUNK)

        assert receiver.status == 413
        assert receiver.body == b"too large"
        assert receiver.ends == [False]
        assert pool.take() is None
        await server.until_open_connections(0)


async def test_sending_pauses_while_the_server_does_not_read() -> None:
    read_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await read_on.wait()
        while await peer.chunk():
            pass
        await peer.answer()
        await peer.gone()

    async with connected(script) as (_, _, connection):
        receiver = RecordingReceiver()
        connection.start(POST_CHUNKED, receiver, more=True)
        sent = 0
        while not connection.sending_paused:
            connection.send(receiver, chunk(b"x" * 65536))
            sent += 65536
            await asyncio.sleep(0)
        assert receiver.sending_changes == ["paused"]
        assert sent < 32 * 1024 * 1024

        read_on.set()
        await receiver.until_sending_changed(2)
        assert receiver.sending_changes == ["paused", "resumed"]

        connection.finish(receiver, LAST_CHUNK)
        await receiver.over.wait()
        assert receiver.ends == [True]


async def test_reading_pauses_and_the_server_notices() -> None:
    sent = 0
    size = 64 * 1024 * 1024

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            await peer.send(b"x" * 65536)
            sent += 65536
        await peer.gone()

    async with connected(script) as (_, pool, connection):
        receiver = RecordingReceiver()
        connection.start(GET, receiver)
        await receiver.until_body_has(1)

        connection.pause_reading(receiver)
        connection.pause_reading(receiver)
        before = -1
        while before != sent:  # until the sockets' buffers are full
            before = sent
            await asyncio.sleep(0.05)
        assert sent < size
        taken = len(receiver.body)
        await asyncio.sleep(0.05)
        assert len(receiver.body) == taken

        connection.resume_reading(receiver)
        await receiver.over.wait()
        assert len(receiver.body) == size
        assert receiver.ends == [True]
        assert pool.take() is connection


async def test_a_connection_paused_at_its_end_reads_again() -> None:
    class Pauser(RecordingReceiver):
        connection: ClientConnection

        def on_body(self, data: bytes) -> None:
            super().on_body(data)
            self.connection.pause_reading(self)

    async with connected(lambda peer: answer_all(peer, b"hello")) as (_, pool, connection):
        receiver = Pauser()
        receiver.connection = connection
        connection.start(GET, receiver)
        await receiver.over.wait()

        assert pool.take() is connection
        assert (await over(connection)).body == b"hello"


async def test_a_receiver_whose_answer_has_ended_cannot_touch_the_next_request() -> None:
    answer = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.answer()
        await peer.request()
        await answer.wait()
        await peer.answer(b"hello")
        await peer.gone()

    async with connected(script) as (_, _, connection):
        former = await over(connection)
        receiver = RecordingReceiver()
        connection.start(GET, receiver)

        connection.send(former, b"garbage")
        connection.finish(former, b"garbage")
        connection.pause_reading(former)
        connection.abandon(former)
        answer.set()
        await receiver.over.wait()

        assert receiver.body == b"hello"
        assert receiver.ends == [True]


async def test_its_repr_tells_its_state() -> None:
    async with connected(answer_all) as (_, _, connection):
        assert repr(connection) == "<ClientConnection idle>"
        receiver = RecordingReceiver()
        connection.start(GET, receiver)
        assert repr(connection) == "<ClientConnection busy>"
        connection.abandon(receiver)
        assert repr(connection) == "<ClientConnection closing>"


async def test_nothing_is_left_behind() -> None:
    async with connected(answer_all) as (_, _, connection):
        await over(connection)
    gc.collect()

    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
