"""PostgreSQL's connections: how many, how they are lost, and how they come back."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar, get_args
from urllib.parse import urlsplit, urlunsplit

import pytest

from atoll.lifecycle.errors import StartFailed
from atoll.runner.embedded_postgres.binaries import binaries
from atoll.storage import CommitUncertain, Database, DatabaseUnavailable, StatementFailed, Transaction
from atoll.storage.postgres import PostgresDatabase, ReadOnlyPostgres, parse_address
from atoll.storage.postgres.streaming import AT_ONCE
from atoll.testing.clock import ManualClock
from atoll.testing.database_suite import LEDGER
from atoll.testing.eventually import eventually
from atoll.testing.postgres_relay import Cut, PostgresRelay, postgres_relay
from atoll.testing.postgres_server import ServerProcess, on_server, started_server

T = TypeVar("T")

IN_A_TRANSACTION = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'
"""

TAKE = "UPDATE accounts SET balance = balance - 1 WHERE name = 'till'"


async def balance(database: Database) -> int:
    row = await database.fetch_one("SELECT balance FROM accounts WHERE name = 'till'")
    assert row is not None
    return int(row[0])


async def sessions(database: Database) -> int:
    """How many sessions there are in the same database, but for the one that asks."""
    row = await database.fetch_one(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'"
    )
    assert row is not None
    return int(row[0])


async def has_sessions(database: Database, count: int) -> bool:
    return await sessions(database) == count


async def holds(database: Database, amount: int) -> bool:
    return await balance(database) == amount


async def gives(database: Database, sql: str, number: int) -> bool:
    return (number,) == await database.fetch_one(sql)


async def answers(database: Database) -> bool:
    try:
        await database.check()
    except DatabaseUnavailable:
        return False
    return True


async def outcomes_of(calls: Iterable[Awaitable[T]]) -> list[T | BaseException]:
    return await asyncio.gather(*calls, return_exceptions=True)


@pytest.fixture
async def relay(postgres: PostgresDatabase, postgres_url: str) -> AsyncIterator[PostgresRelay]:
    """A way to the database that can be cut."""
    async with postgres_relay(postgres_url) as relay:
        yield relay


def has_grown(entries: list[str], beyond: int) -> bool:
    return len(entries) > beyond


def server_or_skip(folder: Path, port: int = 0) -> AbstractContextManager[ServerProcess]:
    try:
        binaries()
    except StartFailed as missing:
        pytest.skip(str(missing))
    return started_server(folder, port=port)


def through(relay: PostgresRelay, *, patience: float = 5.0) -> PostgresDatabase:
    return PostgresDatabase(parse_address(relay.url), patience=patience)


def queued(relay: PostgresRelay) -> PostgresDatabase:
    """With one connection for all, so that each commit begins the transaction of who comes next."""
    return PostgresDatabase(parse_address(f"{relay.url}?pool_size=1"))


# -- connections -----------------------------------------------------------------------------------------------


async def test_there_are_never_more_connections_than_allowed(postgres_url: str) -> None:
    async with PostgresDatabase(parse_address(f"{postgres_url}?pool_size=4")) as database:
        most = 0

        async def body(tx: Transaction) -> None:
            nonlocal most
            row = await tx.fetch_one("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            assert row is not None
            most = max(most, row[0])

        await asyncio.gather(*(database.transaction(body) for _ in range(100)))
        await asyncio.gather(*(database.fetch_one("SELECT pg_sleep(0.001)") for _ in range(100)))

        assert most <= 4 + 1
        assert await sessions(database) < 4 + 2


async def test_no_connection_stays_in_a_transaction_however_callers_leave(
    postgres: Database, postgres_url: str
) -> None:
    async with PostgresDatabase(parse_address(f"{postgres_url}?pool_size=2")) as database:
        await database.migrate([LEDGER])
        for turns in range(10):
            calls = [asyncio.ensure_future(database.transaction(lambda tx: tx.execute(TAKE))) for _ in range(20)]
            for call in calls[1::2]:
                for _ in range(turns):
                    await asyncio.sleep(0)
                call.cancel()
            await outcomes_of(calls)
            await eventually(partial(gives, database, IN_A_TRANSACTION, 0))


async def test_what_a_burst_has_opened_is_closed_when_it_is_not_needed(postgres_url: str) -> None:
    clock = ManualClock()
    async with PostgresDatabase(parse_address(postgres_url), clock=clock) as database:
        await asyncio.gather(*(database.transaction(lambda tx: tx.fetch_one("SELECT pg_sleep(0.1)")) for _ in range(8)))
        await clock.advance(61)
        await database.transaction(lambda tx: tx.execute("SELECT 1"))

        await eventually(partial(has_sessions, database, 1))


async def test_a_session_says_whose_it_is(postgres_url: str) -> None:
    async with PostgresDatabase(parse_address(f"{postgres_url}?application_name=orders")) as database:
        assert ("orders",) == await database.fetch_one("SELECT current_setting('application_name')")


async def test_answers_are_durable_on_a_server_that_is_set_to_be_quick(postgres_url: str) -> None:
    name = urlsplit(postgres_url).path.removeprefix("/")
    on_server(postgres_url, f"ALTER DATABASE {name} SET synchronous_commit = off")
    async with PostgresDatabase(parse_address(postgres_url)) as database:
        setting = await database.transaction(lambda tx: tx.fetch_one("SELECT current_setting('synchronous_commit')"))

        assert ("on",) == setting


async def test_leaving_ends_the_streams_that_are_running(postgres_url: str) -> None:
    async with PostgresDatabase(parse_address(postgres_url)) as database:
        rows = database.stream("SELECT i FROM generate_series(1, 10000000) AS s (i)", batch=1)
        assert (1,) == await anext(rows)

    with pytest.raises(DatabaseUnavailable, match="closed"):
        await anext(rows)


async def test_too_many_streams_are_refused_and_not_waited_for_for_ever(postgres_url: str) -> None:
    async with PostgresDatabase(parse_address(postgres_url), patience=0.05) as database, AsyncExitStack() as streams:
        for _ in range(AT_ONCE):
            rows = database.stream("SELECT 1 UNION SELECT 2", batch=1)
            streams.push_async_callback(rows.aclose)  # type: ignore[attr-defined]  # it is a generator
            await anext(rows)
        with pytest.raises(DatabaseUnavailable, match="long reads"):
            await anext(database.stream("SELECT 1"))


# -- when the server is away -----------------------------------------------------------------------------------


async def test_lost_connections_are_replaced_and_nobody_notices(relay: PostgresRelay) -> None:
    async with through(relay) as database:
        for _ in range(5):
            await asyncio.gather(*(database.transaction(lambda tx: tx.execute(TAKE)) for _ in range(10)))
            relay.lose_all()

        assert 950 == await balance(database)


@pytest.mark.parametrize("lost", [b"BEGIN", TAKE.encode()])
async def test_a_connection_lost_before_the_commit_is_made_good(relay: PostgresRelay, lost: bytes) -> None:
    async with through(relay) as database:
        for cut in get_args(Cut):
            relay.cut_at, relay.cut = lost, cut
            await database.transaction(lambda tx: tx.execute(TAKE))

        assert 998 == await balance(database)


@pytest.mark.parametrize(("cut", "left"), [("before", 1000), ("after", 999)])
async def test_a_connection_lost_during_the_commit_is_told_as_what_it_is(
    relay: PostgresRelay, cut: Cut, left: int
) -> None:
    async with through(relay) as database:
        relay.cut_at, relay.cut = b"COMMIT", cut
        with pytest.raises(CommitUncertain):
            await database.transaction(lambda tx: tx.execute(TAKE))

        await eventually(partial(holds, database, left))
        await database.transaction(lambda tx: tx.execute(TAKE))
        assert left - 1 == await balance(database)


@pytest.mark.parametrize("cut", get_args(Cut))
async def test_a_commit_that_begins_the_next_transaction_is_lost_for_its_own_caller_alone(
    relay: PostgresRelay, cut: Cut
) -> None:
    async with queued(relay) as database:
        relay.cut_at, relay.cut = b"COMMIT AND CHAIN", cut
        outcomes = await outcomes_of(database.transaction(lambda tx: tx.execute(TAKE)) for _ in range(10))

        assert Counter({int: 9, CommitUncertain: 1}) == Counter(map(type, outcomes))
        assert 1000 - (9 if cut == "before" else 10) == await balance(database)


async def test_a_transaction_begun_by_the_commit_before_it_is_made_good_when_its_connection_is_lost(
    relay: PostgresRelay,
) -> None:
    begun = 0

    async def body(tx: Transaction) -> int:
        nonlocal begun
        begun += 1
        if begun in {4, 8}:
            relay.lose_all()
        return await tx.execute(TAKE)

    async with queued(relay) as database:
        outcomes = await outcomes_of(database.transaction(body) for _ in range(10))

        assert ([1] * 10, 990, 12) == (outcomes, await balance(database), begun)


async def test_a_short_absence_is_waited_for(relay: PostgresRelay) -> None:
    async with through(relay) as database:
        relay.is_away = True
        relay.lose_all()
        calls = [asyncio.create_task(database.transaction(lambda tx: tx.execute(TAKE))) for _ in range(20)]
        await asyncio.sleep(0.3)
        assert not any(call.done() for call in calls)
        relay.is_away = False

        assert [1] * 20 == await asyncio.gather(*calls)
        assert 980 == await balance(database)


@pytest.mark.system
async def test_a_server_whose_socket_is_gone_for_a_moment_is_waited_for() -> None:
    async with AsyncExitStack() as held:
        folder = Path(held.enter_context(TemporaryDirectory(prefix="atoll-postgres-")))
        with server_or_skip(folder) as server:
            address = parse_address(server.socket_url)
            database = await held.enter_async_context(PostgresDatabase(address, patience=60))
        call = asyncio.create_task(database.fetch_one("SELECT 1"))
        await asyncio.sleep(0.3)
        assert not call.done()
        with server_or_skip(folder, port=server.port):
            assert (1,) == await call


async def test_in_a_long_absence_callers_are_told_at_once_and_the_return_is_noticed(relay: PostgresRelay) -> None:
    async with through(relay, patience=0.2) as database:
        relay.is_away = True
        relay.lose_all()
        first = await outcomes_of(database.fetch_one("SELECT 1") for _ in range(10))
        began = time.perf_counter()
        later = await outcomes_of(database.fetch_one("SELECT 1") for _ in range(100))
        took = time.perf_counter() - began

        assert {DatabaseUnavailable} == {type(outcome) for outcome in first + later}
        assert took < 10
        with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
            await database.check()
        relay.is_away = False
        await eventually(partial(answers, database))


@pytest.mark.system
@pytest.mark.timeout(180)
async def test_when_the_server_is_killed_all_that_was_acknowledged_is_there_and_work_goes_on() -> None:
    acknowledged: list[str] = []
    failed: list[str] = []
    done = asyncio.Event()

    async def insert(entry: str, tx: Transaction) -> None:
        await tx.execute(TAKE)
        await tx.execute("INSERT INTO entries VALUES ($1, 'till', 1)", entry)

    async def caller(number: int, database: Database) -> None:
        turn = 0
        while not done.is_set():
            entry, turn = f"{number}-{turn}", turn + 1
            try:
                await database.transaction(partial(insert, entry))
                acknowledged.append(entry)
            except DatabaseUnavailable:
                failed.append(entry)

    with TemporaryDirectory(prefix="atoll-postgres-") as folder, ExitStack() as servers:
        server = servers.enter_context(server_or_skip(Path(folder)))
        async with PostgresDatabase(parse_address(server.url), patience=60) as database:
            await database.migrate([LEDGER])
            await database.transaction(lambda tx: tx.execute("UPDATE accounts SET balance = 1000000"))
            callers = [asyncio.create_task(caller(number, database)) for number in range(20)]
            for _ in range(3):
                before = len(acknowledged)
                await eventually(partial(has_grown, acknowledged, before + 200), within=60)
                await asyncio.to_thread(server.kill)
                server = servers.enter_context(server_or_skip(Path(folder), port=server.port))
            done.set()
            await asyncio.gather(*callers)
            rows = {row[0] for row in await database.fetch_all("SELECT id FROM entries")}

            assert set(acknowledged) <= rows
            assert rows <= {*acknowledged, *failed}
            assert 1_000_000 - len(rows) == await balance(database)
            assert len(failed) <= 3 * 20


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"netloc": "atoll:wrong-secret@{place}"}, "password authentication failed"),
        ({"path": "/nowhere"}, 'database "nowhere" does not exist'),
    ],
)
async def test_an_address_that_leads_nowhere_is_refused_at_once_in_words_without_the_password(
    postgres_url: str, change: dict[str, str], words: str
) -> None:
    parts = urlsplit(postgres_url)
    place = parts.netloc.rpartition("@")[2]
    url = urlunsplit(parts._replace(**{name: value.format(place=place) for name, value in change.items()}))
    with pytest.raises(DatabaseUnavailable, match=words) as refusal:
        await PostgresDatabase(parse_address(url)).__aenter__()

    assert "secret" not in repr(refusal.value)


async def test_who_only_looks_can_do_all_that_takes_and_nothing_else(
    postgres: PostgresDatabase, postgres_url: str
) -> None:
    async with ReadOnlyPostgres(parse_address(postgres_url)) as looking:
        await postgres.transaction(lambda tx: tx.execute(TAKE))
        streamed = [row async for row in looking.stream("SELECT balance FROM accounts")]
        with pytest.raises(StatementFailed, match="read-only"):
            await looking.fetch_one(f"{TAKE} RETURNING balance")
        with pytest.raises(StatementFailed, match="read-only"):
            await anext(looking.stream(f"{TAKE} RETURNING balance"))

        assert [(999,)] == streamed == await looking.fetch_all("SELECT balance FROM accounts")
