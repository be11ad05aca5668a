"""Durable transactions a second: two inserts each, 64 callers at once, on this machine's disk.

On SQLite, group commit against one transaction for each caller, by hand and as most services do it; and against the
bare idea of group commit, without savepoint errors, cancellation or limits, to see what those cost. On a PostgreSQL
server beside it, transactions side by side against a group commit by hand: there the server flushes for many at once
anyway, and what costs is the way there and back for each statement.
"""

import asyncio
import itertools
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import asyncpg

from atoll.storage import Transaction, open_database
from atoll.testing.postgres_server import NoPostgres, new_database, postgres_server
from benchmarks.measuring import say, table

CALLERS = 64
SECONDS = 3.0
SCHEMA = (
    "CREATE TABLE orders (id TEXT PRIMARY KEY, owner TEXT NOT NULL, total BIGINT NOT NULL)",
    "CREATE TABLE outbox (id TEXT PRIMARY KEY, body TEXT NOT NULL)",
)
ORDER = "INSERT INTO orders (id, owner, total) VALUES ($1, $2, $3)"
EVENT = "INSERT INTO outbox (id, body) VALUES ($1, $2)"
BODY = '{"orderId":"%s","items":[{"productId":"p","quantity":1}]}'

Transact: TypeAlias = Callable[[str], Awaitable[object]]


def run() -> list[Sequence[object]]:
    """Rows of: the way, transactions a second, how many times as many as sqlite3's own default."""
    rates = {}
    for name, measure in WAYS.items():
        with tempfile.TemporaryDirectory(dir=".") as folder:
            rates[name] = measure(Path(folder) / "bench.db")
        say(f"{name}: {rates[name]:,.0f}/s")
    rates |= _postgres_rates()
    slowest = rates["sqlite3 as it comes: rollback journal, one each"]
    return [(name, round(rate), f"{rate / slowest:.1f}x") for name, rate in rates.items()]


def _postgres_rates() -> dict[str, float]:
    rates = {}
    try:
        with postgres_server() as server:
            for name, measure in POSTGRES_WAYS.items():
                with new_database(server) as url:
                    rates[name] = measure(url)
                say(f"{name}: {rates[name]:,.0f}/s")
    except NoPostgres as reason:
        say(f"PostgreSQL is not measured: {reason}")
    return rates


def report() -> str:
    """The rows as a table."""
    title = f"Durable transactions a second (two inserts each, {CALLERS} callers at once)"
    return table(title, ["way", "transactions / s", "ratio"], run())


def atoll(path: Path, callers: int = CALLERS) -> float:
    """`SqliteDatabase.transaction`."""
    return _atoll(f"sqlite:///{path.resolve()}", callers)


def _atoll(url: str, callers: int = CALLERS) -> float:
    async def main() -> float:
        async with open_database(url) as database:
            for statement in SCHEMA:
                await database.transaction(lambda tx, sql=statement: tx.execute(sql))  # type: ignore[misc]

            async def transact(order: str) -> None:
                async def body(tx: Transaction) -> None:
                    await tx.execute(ORDER, order, "owner", 100)
                    await tx.execute(EVENT, order, BODY % order)

                await database.transaction(body)

            return await _rate(transact, callers)

    return _run_fast(main())


def postgres_group_commit(url: str) -> float:
    """What SQLite profits from: all who wait in one transaction, a savepoint for each."""

    async def main() -> float:
        connection = await asyncpg.connect(url)
        for statement in SCHEMA:
            await connection.execute(statement)
        order, event = await connection.prepare(ORDER), await connection.prepare(EVENT)
        waiting: asyncio.Queue[tuple[str, asyncio.Future[None]]] = asyncio.Queue()

        async def work() -> None:
            while True:
                group = [await waiting.get()]
                while not waiting.empty():
                    group.append(waiting.get_nowait())
                await connection.execute("BEGIN")
                for name, _ in group:
                    await connection.execute("SAVEPOINT a")
                    await order.fetch(name, "owner", 100)
                    await event.fetch(name, BODY % name)
                    await connection.execute("RELEASE a")
                await connection.execute("COMMIT")
                for _, future in group:
                    future.set_result(None)

        def transact(order: str) -> "asyncio.Future[None]":
            future = asyncio.get_running_loop().create_future()
            waiting.put_nowait((order, future))
            return future

        worker = asyncio.create_task(work())
        rate = await _rate(transact)
        worker.cancel()
        await connection.close()
        return rate

    return _run_fast(main())


def bare_group_commit(path: Path) -> float:
    """The idea alone: fails wrongly, and never says so."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        connection = _connect(path, "WAL")
        waiting: list[tuple[str, asyncio.Future[None]]] = []
        busy = False

        def flush() -> None:
            group = waiting[:]
            waiting.clear()
            connection.execute("BEGIN IMMEDIATE")
            for order, _ in group:
                connection.execute("SAVEPOINT a")
                _insert(connection, order)
                connection.execute("RELEASE a")
            loop.run_in_executor(None, connection.execute, "COMMIT").add_done_callback(lambda _: answer(group))

        def answer(group: list[tuple[str, "asyncio.Future[None]"]]) -> None:
            nonlocal busy
            for _, future in group:
                future.set_result(None)
            busy = False
            wake()

        def wake() -> None:
            nonlocal busy
            if waiting and not busy:
                busy = True
                loop.call_soon(flush)

        def transact(order: str) -> "asyncio.Future[None]":
            future = loop.create_future()
            waiting.append((order, future))
            wake()
            return future

        return await _rate(transact)

    return _run_fast(main())


def one_each(path: Path) -> float:
    """A transaction for each caller on the loop, WAL and synchronous=FULL."""
    return _one_each(path, "WAL")


def sqlite3_default(path: Path) -> float:
    """The same with the journal that sqlite3 uses when nobody says otherwise."""
    return _one_each(path, "DELETE")


def _one_each(path: Path, journal: str) -> float:
    async def main() -> float:
        connection = _connect(path, journal)

        async def transact(order: str) -> None:
            connection.execute("BEGIN IMMEDIATE")
            _insert(connection, order)
            connection.execute("COMMIT")
            await asyncio.sleep(0)

        return await _rate(transact)

    return _run_fast(main())


def _connect(path: Path, journal: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, cached_statements=256)
    connection.execute(f"PRAGMA journal_mode={journal}")
    connection.execute("PRAGMA synchronous=FULL")
    for statement in SCHEMA:
        connection.execute(statement)
    return connection


def _insert(connection: sqlite3.Connection, order: str) -> None:
    connection.execute("INSERT INTO orders (id, owner, total) VALUES (?, ?, ?)", (order, "owner", 100))
    connection.execute("INSERT INTO outbox (id, body) VALUES (?, ?)", (order, BODY % order))


async def _rate(transact: Transact, callers: int = CALLERS) -> float:
    """Answers a second to callers who ask again as soon as they are answered."""
    numbers = itertools.count()
    answered = 0
    ends_at = time.perf_counter() + SECONDS

    async def caller() -> None:
        nonlocal answered
        while time.perf_counter() < ends_at:
            await transact(f"order-{next(numbers):012}")
            answered += 1

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return answered / (time.perf_counter() - began)


def _run_fast(main: "Awaitable[float]") -> float:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)  # type: ignore[arg-type]


WAYS: dict[str, Callable[[Path], float]] = {
    "**Atoll: group commit**": atoll,
    "the bare idea of group commit": bare_group_commit,
    "WAL, one each": one_each,
    "sqlite3 as it comes: rollback journal, one each": sqlite3_default,
    "Atoll, one caller at a time": lambda path: atoll(path, callers=1),
}

POSTGRES_WAYS: dict[str, Callable[[str], float]] = {
    "**Atoll on PostgreSQL: side by side**": _atoll,
    "PostgreSQL, group commit by hand": postgres_group_commit,
    "Atoll on PostgreSQL, one caller at a time": lambda url: _atoll(url, callers=1),
}

if __name__ == "__main__":
    sys.stdout.write(report())
