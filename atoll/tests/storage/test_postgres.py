"""What holds for PostgreSQL beyond what holds for every database."""

import asyncio
import contextvars
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from atoll.context import RequestContext, current
from atoll.observability.tracing import TraceContext
from atoll.storage import (
    Database,
    DatabaseError,
    DatabaseUnavailable,
    Migration,
    Reading,
    Transaction,
    TransactionSuspended,
)
from atoll.storage.postgres import PostgresDatabase, parse_address
from atoll.testing.database_model import database_machine
from atoll.testing.database_suite import LEDGER, DatabaseBackend, DatabaseSuite
from atoll.testing.eventually import eventually
from atoll.testing.postgres_server import new_database, on_server

FAIL_COMMITS = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'planned'; END $$;
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'atoll_migrations' LOOP
            EXECUTE format('CREATE CONSTRAINT TRIGGER refuse AFTER INSERT OR UPDATE OR DELETE ON %I'
                           ' DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()', name);
        END LOOP;
    END $$
"""
COUNT_OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""

TAKE = "UPDATE accounts SET balance = balance - 1 WHERE name = 'till'"

LET_COMMIT = "DROP FUNCTION refuse() CASCADE"

FILL_UP = """
    CREATE FUNCTION refuse_when_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF (SELECT sum(length(id)) FROM entries) > 1000000 THEN
            RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER refuse_when_full BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION refuse_when_full()
"""


class PostgresBackend:
    """A database on a server that refuses what it is told to refuse."""

    def __init__(self, url: str) -> None:
        self.url = url

    def open(self) -> PostgresDatabase:
        return PostgresDatabase(parse_address(self.url))

    @contextmanager
    def failing_commits(self, database: Database) -> Iterator[None]:
        on_server(self.url, FAIL_COMMITS)
        try:
            yield
        finally:
            on_server(self.url, LET_COMMIT)

    @contextmanager
    def full_disk(self, database: Database) -> Iterator[None]:
        on_server(self.url, FILL_UP)
        try:
            yield
        finally:
            on_server(self.url, "DROP FUNCTION refuse_when_full() CASCADE")


class TestPostgres(DatabaseSuite):
    @pytest.fixture
    def backend(self, postgres_url: str) -> DatabaseBackend:
        return PostgresBackend(postgres_url)


@pytest.mark.timeout(300)
def test_it_agrees_with_a_model_of_it(postgres_server_url: str) -> None:
    with ExitStack() as databases:
        machine = database_machine(
            lambda: PostgresBackend(databases.enter_context(new_database(postgres_server_url))),
        )

        run_state_machine_as_test(machine, settings=settings(max_examples=15, stateful_step_count=8, deadline=None))


async def balance(database: Database) -> int:
    row = await database.fetch_one("SELECT balance FROM accounts WHERE name = 'till'")
    assert row is not None
    return int(row[0])


async def sessions(database: Database, condition: str) -> int:
    """How many sessions of others in the same database are in that condition."""
    row = await database.fetch_one(f"{COUNT_OTHERS} AND {condition}")
    assert row is not None
    return int(row[0])


async def is_at_rest(database: Database) -> bool:
    return await sessions(database, "state <> 'idle'") == 0


async def are_asleep(database: Database, count: int) -> bool:
    return await sessions(database, "state = 'active' AND wait_event = 'PgSleep'") == count


# -- bodies ----------------------------------------------------------------------------------------------------


async def test_a_body_runs_in_the_context_of_its_caller(postgres: PostgresDatabase) -> None:
    trace: contextvars.ContextVar[str] = contextvars.ContextVar("trace")

    async def body(tx: Transaction) -> str:
        await tx.execute(TAKE)
        return trace.get()

    async def call(name: str) -> str:
        trace.set(name)
        return await postgres.transaction(body)

    assert ["a", "b", "c"] == [*await asyncio.gather(call("a"), call("b"), call("c"))]


async def test_a_body_may_not_ask_twice_at_once(postgres: PostgresDatabase) -> None:
    async def body(tx: Transaction) -> None:
        await asyncio.gather(tx.execute(TAKE), tx.execute(TAKE))

    with pytest.raises(TransactionSuspended):
        await postgres.transaction(body)
    assert 1000 == await balance(postgres)


async def test_a_body_may_not_use_the_transaction_of_another_that_is_running(postgres: PostgresDatabase) -> None:
    first_has_begun, second_has_ended = asyncio.Event(), asyncio.Event()
    lent: list[Transaction] = []

    async def lends(tx: Transaction) -> None:
        lent.append(tx)
        await tx.execute(TAKE)
        first_has_begun.set()
        while not second_has_ended.is_set():
            await tx.fetch_one("SELECT 1")

    async def borrows(tx: Transaction) -> None:
        await lent[0].execute(TAKE)

    lending = asyncio.create_task(postgres.transaction(lends))
    await first_has_begun.wait()
    with pytest.raises(TransactionSuspended):
        await postgres.transaction(borrows)
    second_has_ended.set()
    await lending

    assert 999 == await balance(postgres)


async def test_transactions_run_side_by_side(postgres: PostgresDatabase) -> None:
    waiting = {"a", "b"}

    async def body(tx: Transaction, name: str) -> None:
        await tx.execute("INSERT INTO accounts (name, balance) VALUES ($1, 0)", name)
        waiting.discard(name)
        while waiting:
            await tx.fetch_one("SELECT 1")

    await asyncio.gather(*(postgres.transaction(partial(body, name=name)) for name in ("a", "b")))

    assert [("a",), ("b",)] == await postgres.fetch_all("SELECT name FROM accounts WHERE name <> 'till' ORDER BY name")


# -- what meets ------------------------------------------------------------------------------------------------


async def test_a_deadlock_reaches_no_caller(postgres: PostgresDatabase) -> None:
    await postgres.transaction(lambda tx: tx.execute("INSERT INTO accounts VALUES ('a', 0), ('b', 0)"))
    attempts: list[str] = []
    have_one: set[str] = set()

    async def body(tx: Transaction, names: str) -> None:
        attempts.append(names)
        for name in names:
            await tx.execute("UPDATE accounts SET balance = balance + 1 WHERE name = $1", name)
            have_one.add(names)
            while len(have_one) < 2:
                await tx.fetch_one("SELECT 1")

    await asyncio.gather(*(postgres.transaction(partial(body, names=names)) for names in ("ab", "ba")))

    assert 3 == len(attempts)
    assert [(2,), (2,)] == await postgres.fetch_all("SELECT balance FROM accounts WHERE name IN ('a', 'b')")


async def test_a_body_cannot_turn_a_deadlock_into_something_else(postgres: PostgresDatabase) -> None:
    attempts: list[None] = []

    async def body(tx: Transaction) -> None:
        attempts.append(None)
        try:
            if len(attempts) == 1:
                await tx.execute("DO $$ BEGIN RAISE EXCEPTION 'planned' USING ERRCODE = 'deadlock_detected'; END $$")
        except DatabaseError:
            raise ValueError("some conclusion") from None
        await tx.execute(TAKE)

    await postgres.transaction(body)

    assert 2 == len(attempts)
    assert 999 == await balance(postgres)


async def test_one_that_is_always_interrupted_is_told_so_in_the_end(postgres: PostgresDatabase) -> None:
    sql = "DO $$ BEGIN RAISE EXCEPTION 'planned' USING ERRCODE = 'serialization_failure'; END $$"
    with pytest.raises(DatabaseUnavailable, match="planned"):
        await postgres.transaction(lambda tx: tx.execute(sql))


async def test_a_migration_that_changes_what_a_prepared_statement_returns_disturbs_nobody(
    postgres: PostgresDatabase,
) -> None:
    async def everything(tx: Reading) -> object:
        return await tx.fetch_one("SELECT * FROM accounts WHERE name = 'till'")

    assert ("till", 1000) == await postgres.read(everything)
    assert ("till", 1000) == await postgres.transaction(everything)
    await postgres.migrate([LEDGER, Migration(2, "owner", "ALTER TABLE accounts ADD COLUMN owner TEXT")])

    assert ("till", 1000, None) == await postgres.read(everything)
    assert ("till", 1000, None) == await postgres.transaction(everything)


async def test_a_read_that_asks_twice_starts_anew_the_first_time_only(postgres: PostgresDatabase) -> None:
    begun = 0

    async def body(reading: Reading) -> None:
        nonlocal begun
        begun += 1
        await reading.fetch_one("SELECT 1")
        await reading.fetch_one("SELECT 2")

    for _ in range(3):
        await postgres.read(body)

    assert 1 + 3 == begun


async def test_sums_are_numbers_like_any_other(postgres: PostgresDatabase) -> None:
    row = await postgres.fetch_one("SELECT sum(balance), avg(balance), sum(balance) FILTER (WHERE FALSE) FROM accounts")

    assert (1000, 1000.0, None) == row
    assert [int, float, type(None)] == [type(value) for value in row or ()]


# -- time ------------------------------------------------------------------------------------------------------


@pytest.fixture
def deadline() -> Iterator[Callable[[float], None]]:
    """Sets the deadline of the request in hand, in seconds from now."""

    def set_deadline(seconds: float) -> None:
        current.set(RequestContext(TraceContext.fresh(), "request", deadline=time.monotonic() + seconds))

    yield set_deadline
    current.set(None)


async def test_a_statement_ends_at_the_deadline_and_frees_its_connection_and_its_locks(
    postgres: PostgresDatabase, deadline: Callable[[float], None]
) -> None:
    async def lingers(tx: Transaction) -> None:
        await tx.execute(TAKE)
        await tx.fetch_one("SELECT pg_sleep(60)")

    async def impatient() -> None:
        deadline(0.3)
        await postgres.transaction(lingers)

    with pytest.raises(DatabaseUnavailable, match="in time"):
        await asyncio.create_task(impatient())
    await postgres.transaction(lambda tx: tx.execute(TAKE))

    assert 999 == await balance(postgres)
    await eventually(partial(is_at_rest, postgres))


async def test_nothing_is_begun_after_the_deadline(
    postgres: PostgresDatabase, deadline: Callable[[float], None]
) -> None:
    async def too_late() -> None:
        deadline(-1)
        await postgres.transaction(lambda tx: tx.execute(TAKE))

    with pytest.raises(DatabaseUnavailable, match="deadline"):
        await asyncio.create_task(too_late())
    assert 1000 == await balance(postgres)


async def test_a_cancelled_caller_leaves_nothing_running_and_no_lock(postgres: PostgresDatabase) -> None:
    running = asyncio.Event()

    async def lingers(tx: Transaction) -> None:
        await tx.execute(TAKE)
        running.set()
        await tx.fetch_one("SELECT pg_sleep(60)")

    tasks: list[asyncio.Future[object]] = [asyncio.ensure_future(postgres.transaction(lingers))]
    await running.wait()
    tasks += [asyncio.ensure_future(postgres.fetch_one("SELECT pg_sleep(60)")) for _ in range(3)]
    await eventually(partial(are_asleep, postgres, 4))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await postgres.transaction(lambda tx: tx.execute(TAKE))

    assert 999 == await balance(postgres)
    await eventually(partial(is_at_rest, postgres))
