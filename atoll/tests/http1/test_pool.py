"""Connections to one address: reused, bounded, shared fairly, and never leaked."""

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from atoll.http1.client_connection import ClientConnection
from atoll.http1.errors import CannotConnect, ConnectionEnded, PoolClosed
from atoll.http1.pool import ConnectionPool
from atoll.testing.recording_receiver import RecordingReceiver
from atoll.testing.scripted_server import Peer, Script, ScriptedServer, answer_all

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


@asynccontextmanager
async def pooled(script: Script = answer_all, **options: Any) -> AsyncIterator[tuple[ScriptedServer, ConnectionPool]]:
    async with (
        asyncio.timeout(60),
        ScriptedServer(script) as server,
        ConnectionPool("127.0.0.1", server.port, **options) as pool,
    ):
        yield server, pool


async def ask(pool: ConnectionPool) -> ClientConnection:
    connection = await pool.acquire()
    receiver = RecordingReceiver()
    connection.start(GET, receiver)
    try:
        await receiver.over.wait()
    except asyncio.CancelledError:
        connection.abandon(receiver)
        raise
    assert receiver.ends
    return connection


async def wait_silently(peer: Peer) -> None:
    await peer.gone()


async def turns(count: int = 5) -> None:
    """Let what is ready run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until_waiting(pool: ConnectionPool, count: int) -> None:
    while pool.waiting != count:  # noqa: ASYNC110 - the pool tells nobody
        await asyncio.sleep(0)


async def test_the_connection_used_last_is_reused_first() -> None:
    async with pooled() as (server, pool):
        one, two = await pool.acquire(), await pool.acquire()
        pool.release(two)
        pool.release(one)

        assert await pool.acquire() is one
        assert await pool.acquire() is two
        assert (server.connections, pool.opened, pool.reused) == (2, 2, 2)


async def test_a_pool_without_an_idle_connection_has_nothing_to_take() -> None:
    async with pooled() as (_, pool):
        assert pool.take() is None


async def test_no_more_connections_are_opened_than_allowed_and_callers_wait_in_order() -> None:
    async with pooled(max_connections=2) as (_, pool):
        one, two = await pool.acquire(), await pool.acquire()
        served: list[str] = []

        async def caller(name: str) -> ClientConnection:
            connection = await pool.acquire()
            served.append(name)
            return connection

        callers = []
        for name in "abc":
            callers.append(asyncio.create_task(caller(name)))
            await until_waiting(pool, len(callers))
        pool.release(one)
        assert await callers[0] is one
        pool.release(two)
        assert await callers[1] is two
        pool.release(one)
        assert await callers[2] is one

        assert served == ["a", "b", "c"]
        assert pool.opened == 2


async def test_whoever_comes_later_does_not_overtake_those_who_wait() -> None:
    async with pooled(max_connections=1) as (_, pool):
        only = await pool.acquire()
        waiting = asyncio.create_task(pool.acquire())
        await until_waiting(pool, 1)

        pool.release(only)

        assert pool.take() is None
        assert await waiting is only


async def test_a_connection_that_closes_makes_room_for_one_who_waits() -> None:
    async with pooled(max_connections=1) as (_, pool):
        only = await pool.acquire()
        waiting = asyncio.create_task(pool.acquire())
        await until_waiting(pool, 1)

        only.close()

        assert (await waiting).usable
        assert pool.opened == 2


async def test_a_connection_that_dies_on_its_way_to_a_caller_is_not_handed_out() -> None:
    async with pooled(max_connections=1) as (_, pool):
        only = await pool.acquire()
        waiting = asyncio.create_task(pool.acquire())
        await until_waiting(pool, 1)

        pool.release(only)
        only.close()

        connection = await waiting
        assert connection is not only
        assert connection.usable


async def test_cancelled_callers_leave_the_queue() -> None:
    async with pooled(max_connections=1) as (_, pool):
        only = await pool.acquire()
        waiting = [asyncio.create_task(pool.acquire()) for _ in range(100)]
        await until_waiting(pool, 100)
        for task in waiting[:99]:
            task.cancel()
        await asyncio.wait(waiting[:99])
        assert pool.waiting == 1

        pool.release(only)

        assert await waiting[99] is only


@pytest.mark.parametrize("turn", ["connection", "place"])
async def test_a_turn_that_comes_to_a_cancelled_caller_goes_to_the_next(turn: str) -> None:
    async with pooled(max_connections=1) as (_, pool):
        only = await pool.acquire()
        first = asyncio.create_task(pool.acquire())
        await until_waiting(pool, 1)
        second = asyncio.create_task(pool.acquire())
        await until_waiting(pool, 2)

        if turn == "connection":
            pool.release(only)
        else:
            only.close()
            await until_waiting(pool, 1)
        first.cancel()

        assert (await second).usable
        assert first.cancelled()
        assert (pool.in_use, pool.connecting, pool.waiting) == (1, 0, 0)


async def test_a_refused_connection_is_told_and_leaves_no_trace() -> None:
    async with pooled(max_connections=1) as (server, pool):
        server.stop_listening()
        for _ in range(3):
            with pytest.raises(CannotConnect, match=str(server.port)):
                await pool.acquire()

        assert (pool.in_use, pool.connecting, pool.opened) == (0, 0, 0)


async def test_those_who_wait_learn_that_nobody_listens_any_more() -> None:
    async with pooled(max_connections=1) as (server, pool):
        only = await pool.acquire()
        waiting = [asyncio.create_task(pool.acquire()) for _ in range(3)]
        await until_waiting(pool, 3)
        server.stop_listening()
        await turns()

        only.close()

        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [CannotConnect] * 3


async def test_connecting_takes_no_longer_than_its_time_out() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        with socket.socket() as one, socket.socket() as two, socket.socket() as three:
            for filler in (one, two, three):  # nobody accepts: the backlog fills up
                filler.setblocking(False)
                with suppress(BlockingIOError):
                    filler.connect(address)
            async with ConnectionPool(*address, connect_timeout=0.1) as pool:
                with pytest.raises(CannotConnect, match=r"0\.1 s"):
                    await pool.acquire()

                assert (pool.in_use, pool.connecting) == (0, 0)


async def test_a_name_that_does_not_resolve_is_told() -> None:
    async with ConnectionPool("does-not-exist.invalid", 80, connect_timeout=10) as pool:
        with pytest.raises(CannotConnect):
            await pool.acquire()


async def test_idle_connections_close_after_their_time_the_oldest_first() -> None:
    async with pooled(idle_timeout=0.2) as (server, pool):
        one, two = await pool.acquire(), await pool.acquire()
        pool.release(one)
        await asyncio.sleep(0.1)
        pool.release(two)
        assert pool.idle == 2

        await server.until_open_connections(1)
        assert not one.usable
        assert two.usable
        await server.until_open_connections(0)
        assert pool.idle == 0


async def test_a_connection_in_use_is_not_idle_however_long_it_takes() -> None:
    async with pooled(idle_timeout=0.05) as (_, pool):
        await ask(pool)
        connection = await pool.acquire()
        await asyncio.sleep(0.2)

        assert connection.usable


async def test_a_connection_that_the_server_closed_is_not_handed_out() -> None:
    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.answer()

    async with pooled(once) as (server, pool):
        for _ in range(5):
            await ask(pool)
            await server.until_open_connections(0)
            await turns()
            assert pool.take() is None

        assert server.connections == 5


@pytest.mark.parametrize("last_words", [b"", b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
async def test_a_careful_caller_gets_none_that_the_server_has_closed_a_moment_ago(last_words: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with ConnectionPool(*listener.getsockname()) as pool:
            connection = await pool.acquire()
            peer, _ = listener.accept()
            with peer:
                pool.release(connection)
                assert pool.take(careful=True) is connection
                pool.release(connection)
                peer.sendall(last_words)
            # Nothing awaited since: the event loop cannot know.
            assert connection.usable

            assert pool.take(careful=True) is None
            assert not connection.usable


async def test_a_server_that_closes_at_once_is_either_refused_or_noticed() -> None:
    async def slam(peer: Peer) -> None:
        peer.reset()

    async with pooled(slam) as (_, pool):
        for _ in range(20):
            try:
                connection = await pool.acquire()
            except CannotConnect:
                continue
            receiver = RecordingReceiver()
            connection.start(GET, receiver)
            await receiver.over.wait()
            assert receiver.faults
        await turns(10)

        assert (pool.in_use, pool.idle, pool.connecting) == (0, 0, 0)


async def test_closing_waits_for_answers_under_way_and_hands_out_no_more() -> None:
    answer = asyncio.Event()

    async def slow(peer: Peer) -> None:
        await peer.request()
        await answer.wait()
        await peer.answer(b"late")
        await peer.gone()

    async with pooled(slow, max_connections=1) as (_, pool):
        connection = await pool.acquire()
        receiver = RecordingReceiver()
        connection.start(GET, receiver)
        waiting = asyncio.create_task(pool.acquire())
        await until_waiting(pool, 1)

        closing = asyncio.create_task(pool.close(grace=10))
        with pytest.raises(PoolClosed):
            await waiting
        with pytest.raises(PoolClosed):
            await pool.acquire()
        assert not pool.closed
        answer.set()
        await closing

        assert receiver.body == b"late"
        assert receiver.ends == [True]
        assert pool.closed


async def test_closing_aborts_what_takes_longer_than_its_grace() -> None:
    async with pooled(wait_silently) as (server, pool):
        connection = await pool.acquire()
        receiver = RecordingReceiver()
        connection.start(GET, receiver)

        await pool.close(grace=0.05)

        assert [type(fault) for fault in receiver.faults] == [ConnectionEnded]
        await server.until_open_connections(0)
        assert pool.closed


async def test_closing_while_connecting_leaves_nothing_open() -> None:
    async with pooled() as (server, pool):
        connecting = asyncio.create_task(pool.acquire())
        await turns(1)
        await pool.close()

        with pytest.raises(PoolClosed):
            await connecting
        await server.until_open_connections(0)


async def test_its_repr_tells_its_state() -> None:
    async with pooled(max_connections=2) as (server, pool):
        await pool.acquire()
        pool.release(await pool.acquire())

        expected = f"<ConnectionPool 127.0.0.1:{server.port} 1 in use, 1 idle, 0 connecting, 0 waiting, at most 2>"
        assert repr(pool) == expected


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files where Linux lists them")
async def test_callers_cancelled_at_any_moment_leak_nothing() -> None:
    chance = random.Random(7)  # noqa: S311 - any moments will do
    async with pooled() as (_, pool):
        await ask(pool)  # the event loop opens files of its own at first use
    before = open_files()
    async with pooled(max_connections=5) as (server, pool):
        for _ in range(50):
            callers = [asyncio.create_task(ask(pool)) for _ in range(20)]
            for task in callers:
                await turns(chance.randrange(4))
                if chance.random() < 0.8:
                    task.cancel()
            await asyncio.gather(*callers, return_exceptions=True)
        assert (pool.connecting, pool.waiting) == (0, 0)

        assert await asyncio.gather(*(ask(pool) for _ in range(20)))
        assert server.open_connections <= 5
    await turns()

    assert open_files() == before
