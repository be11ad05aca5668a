"""What every `Database` promises, as tests: derive from `DatabaseSuite`, and say how to reach yours.

class TestSqlite(DatabaseSuite):
    @pytest.fixture
    def backend(self, tmp_path):
        return SqliteBackend(tmp_path / "suite.db")
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Protocol, TypeVar

import pytest

from atoll.storage import (
    CheckViolated,
    CommitFailed,
    ConstraintViolated,
    Database,
    DatabaseError,
    DatabaseUnavailable,
    ForeignKeyViolated,
    Migration,
    MigrationFailed,
    NotNullViolated,
    Reading,
    StatementFailed,
    Transaction,
    TransactionSuspended,
    UniqueViolated,
    Value,
)
from atoll.storage.database import TransactionBody

T = TypeVar("T")

LEDGER = Migration(
    1,
    "ledger",
    """
    CREATE TABLE accounts (name TEXT PRIMARY KEY, balance BIGINT NOT NULL CHECK (balance >= 0));
    CREATE TABLE entries (
        id TEXT PRIMARY KEY,
        account TEXT NOT NULL REFERENCES accounts (name) DEFERRABLE INITIALLY DEFERRED,
        amount BIGINT NOT NULL
    );
    INSERT INTO accounts (name, balance) VALUES ('till', 1000);
    """,
)

COUNT_UP = """
import asyncio, sys
from atoll.storage import open_database

async def count_up(url, times):
    async with open_database(url) as database:
        async def once():
            sql = "UPDATE accounts SET balance = balance + 1 WHERE name = 'till'"
            await database.transaction(lambda tx: tx.execute(sql))
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(times // 10):
            await asyncio.gather(*(once() for _ in range(10)))

asyncio.run(count_up(sys.argv[1], int(sys.argv[2])))
"""

ACKNOWLEDGE = """
import asyncio, sys
from atoll.storage import open_database

async def acknowledge(url):
    async with open_database(url) as database:
        async def body(tx, entry):
            await tx.execute("UPDATE accounts SET balance = balance - 1 WHERE name = 'till'")
            await tx.execute("INSERT INTO entries (id, account, amount) VALUES ($1, 'till', 1)", entry)

        async def caller(number):
            for turn in range(100):
                entry = f"{number}-{turn}"
                await database.transaction(lambda tx: body(tx, entry))
                print(entry, flush=True)

        await asyncio.gather(*(caller(number) for number in range(10)))

asyncio.run(acknowledge(sys.argv[1]))
"""


class DatabaseBackend(Protocol):
    """One database, empty at first, and ways to make it fail."""

    @property
    def url(self) -> str:
        """What another process gives to `open_database`."""

    def open(self) -> Database:
        """A new handle on the same database, not entered yet."""

    def failing_commits(self, database: Database) -> AbstractContextManager[None]:
        """Within, no commit of `database` becomes durable, and the engine says so."""

    def full_disk(self, database: Database) -> AbstractContextManager[None]:
        """Within, `database` has no more than a megabyte of room."""


class Refused(Exception):
    """A body's own refusal."""


class DatabaseSuite:
    """The promises of `atoll.storage.database`. A class that derives from this one defines `backend`."""

    @pytest.fixture
    async def database(self, backend: DatabaseBackend) -> AsyncIterator[Database]:
        async with backend.open() as database:
            await database.migrate([LEDGER])
            yield database

    # -- statements --------------------------------------------------------------------------------------------

    async def test_every_kind_of_value_comes_back_as_it_was(self, database: Database) -> None:
        await _run(
            database,
            "CREATE TABLE things (a TEXT, b BIGINT, c DOUBLE PRECISION, d BYTEA, e TEXT)",
        )
        values = ("Łódź ✓ 'quoted'", 2**63 - 1, 0.1, b"\x00\xff", None)
        await _run(database, "INSERT INTO things (a, b, c, d, e) VALUES ($1, $2, $3, $4, $5)", *values)

        assert values == await database.fetch_one("SELECT a, b, c, d, e FROM things")

    async def test_a_parameter_may_be_used_twice_and_out_of_order(self, database: Database) -> None:
        sql = "SELECT name FROM accounts WHERE balance = $2 AND name = $1 AND balance = $2"

        assert ("till",) == await database.fetch_one(sql, "till", 1000)

    async def test_quoted_text_and_comments_are_left_alone(self, database: Database) -> None:
        sql = "SELECT name || '$2;' || '''' -- $3; not this\nFROM accounts WHERE name = $1 /* $4 ; */"

        assert ("till$2;'",) == await database.fetch_one(sql, "till")

    async def test_execute_says_how_many_rows_it_changed(self, database: Database) -> None:
        async def body(tx: Transaction) -> list[int]:
            return [
                await tx.execute("UPDATE accounts SET balance = balance WHERE name = 'nobody'"),
                await tx.execute("INSERT INTO accounts (name, balance) VALUES ('a', 1), ('b', 2)"),
                await tx.execute("UPDATE accounts SET balance = balance + 1"),
                await tx.execute("CREATE TABLE more (id TEXT)"),
                await tx.execute("INSERT INTO accounts VALUES ('a', 1) ON CONFLICT DO NOTHING"),
            ]

        assert [0, 2, 3, 0, 0] == await database.transaction(body)

    async def test_a_change_may_return_rows(self, database: Database) -> None:
        sql = "UPDATE accounts SET balance = balance - $1 WHERE name = 'till' RETURNING name, balance"

        assert ("till", 999) == await database.transaction(lambda tx: tx.fetch_one(sql, 1))
        assert [("till", 998)] == await database.transaction(lambda tx: tx.fetch_all(sql, 1))

    async def test_execute_many_runs_once_for_each_row(self, database: Database) -> None:
        rows = ((f"e{number}", number) for number in range(50))
        sql = "INSERT INTO entries (id, account, amount) VALUES ($1, 'till', $2)"
        await database.transaction(lambda tx: tx.execute_many(sql, rows))

        assert (50, 1225) == await database.fetch_one("SELECT count(*), sum(amount) FROM entries")

    async def test_nothing_found_is_none_or_an_empty_list(self, database: Database) -> None:
        sql = "SELECT name FROM accounts WHERE name = $1"

        assert await database.fetch_one(sql, "nobody") is None
        assert [] == await database.fetch_all(sql, "nobody")

    @pytest.mark.parametrize(
        ("sql", "values", "expected"),
        [
            ("INSERT INTO accounts (name, balance) VALUES ('till', 1)", (), UniqueViolated),
            ("UPDATE accounts SET balance = balance - 1001", (), CheckViolated),
            ("INSERT INTO accounts (name) VALUES ('empty')", (), NotNullViolated),
            ("INSERT INTO entries VALUES ('e', 'nobody', 1)", (), ForeignKeyViolated),
            ("UPDATE nothing SET balance = 1", (), StatementFailed),
            ("UPDAT accounts SET balance = 1", (), StatementFailed),
            ('UPDATE accounts SET name = "text in the wrong quotes"', (), StatementFailed),
            ("UPDATE accounts SET balance = $1", (), StatementFailed),
            ("UPDATE accounts SET balance = $1", (1, 2), StatementFailed),
            ("UPDATE accounts SET balance = $1", (2**63,), StatementFailed),
            ("UPDATE accounts SET balance = $1", (object(),), StatementFailed),
            ("UPDATE accounts SET name = $1", ("\ud800",), StatementFailed),
            ("UPDATE accounts SET balance = 1; UPDATE accounts SET balance = 2", (), StatementFailed),
            ("COMMIT", (), StatementFailed),
            ("-- quietly\nROLLBACK", (), StatementFailed),
        ],
    )
    async def test_a_refused_statement_is_an_error_of_the_port_and_changes_nothing(
        self, database: Database, sql: str, values: tuple[Any, ...], expected: type[DatabaseError]
    ) -> None:
        async def body(tx: Transaction) -> None:
            await tx.execute("UPDATE accounts SET balance = 1 WHERE name = 'till'")
            await tx.execute(sql, *values)

        with pytest.raises(expected):
            await database.transaction(body)
        assert 1000 == await _balance(database)

    async def test_reads_raise_errors_of_the_port_and_cannot_write(self, database: Database) -> None:
        with pytest.raises(StatementFailed):
            await database.fetch_one("SELECT nothing FROM accounts")
        with pytest.raises(StatementFailed):
            await database.fetch_all("DELETE FROM accounts RETURNING name")
        assert 1000 == await _balance(database)

    # -- bodies ------------------------------------------------------------------------------------------------

    async def test_a_body_that_raises_is_undone_and_its_error_reaches_the_caller(self, database: Database) -> None:
        async def body(tx: Transaction) -> None:
            await _take(tx, "e1", 10)
            raise Refused("not today")

        with pytest.raises(Refused, match="not today"):
            await database.transaction(body)
        assert (1000, 0) == await _state(database)

    async def test_one_bodys_error_changes_nothing_for_those_beside_it(self, database: Database) -> None:
        async def poisoned(tx: Transaction, number: int) -> None:
            await _take(tx, f"poisoned-{number}", 1)
            match number % 4:
                case 0:
                    raise Refused
                case 1:
                    await tx.execute("INSERT INTO accounts (name, balance) VALUES ('till', 1)")
                case 2:
                    await tx.execute("SELEC 1")
                case 3:
                    await asyncio.sleep(0)

        good = [database.transaction(_taking(f"good-{n}")) for n in range(20)]
        bad = [database.transaction(partial(poisoned, number=n)) for n in range(20)]
        outcomes = await _outcomes(call for pair in zip(good, bad, strict=True) for call in pair)

        assert [None] * 20 == outcomes[::2]
        expected = [Refused, UniqueViolated, StatementFailed, TransactionSuspended] * 5
        assert expected == [type(outcome) for outcome in outcomes[1::2]]
        assert (980, 20) == await _state(database)

    async def test_a_broken_deferred_key_refuses_only_the_body_that_broke_it(self, database: Database) -> None:
        insert = "INSERT INTO entries (id, account, amount) VALUES ($1, $2, 1)"
        outcomes = await _outcomes(
            database.transaction(_executing(insert, f"e{n}", name)) for n, name in enumerate(["till", "nobody", "till"])
        )

        assert [1, ForeignKeyViolated, 1] == [_kind(outcome) for outcome in outcomes]
        assert (2,) == await database.fetch_one("SELECT count(*) FROM entries")

    async def test_a_hidden_failure_still_undoes_the_body(self, database: Database) -> None:
        async def body(tx: Transaction) -> str:
            await _take(tx, "e1", 10)
            try:
                await tx.execute("INSERT INTO accounts (name, balance) VALUES ('till', 1)")
            except ConstraintViolated:
                return "as if nothing had happened"
            raise AssertionError

        with pytest.raises(UniqueViolated):
            await database.transaction(body)
        assert (1000, 0) == await _state(database)

    async def test_after_a_failure_the_transaction_takes_nothing_more(self, database: Database) -> None:
        async def body(tx: Transaction) -> None:
            try:
                await tx.execute("SELEC 1")
            except StatementFailed:
                await _take(tx, "e1", 10)

        with pytest.raises(StatementFailed, match="earlier statement"):
            await database.transaction(body)
        assert (1000, 0) == await _state(database)

    async def test_a_body_that_waits_for_something_else_is_refused_and_undone(self, database: Database) -> None:
        cleaned_up = []

        async def body(tx: Transaction) -> None:
            await _take(tx, "e1", 10)
            try:
                await asyncio.sleep(3600)
            finally:
                cleaned_up.append(True)
                await _take(tx, "e2", 10)

        with pytest.raises(TransactionSuspended):
            await database.transaction(body)
        assert [True] == cleaned_up
        assert (1000, 0) == await _state(database)

    async def test_a_body_cannot_ask_the_database_around_its_transaction(self, database: Database) -> None:
        async def nested(tx: Transaction) -> None:
            await _take(tx, "e1", 10)
            await database.transaction(_taking("e2"))

        async def reads(tx: Transaction) -> None:
            await _take(tx, "e3", 10)
            await database.fetch_one("SELECT balance FROM accounts")

        for body in (nested, reads):
            with pytest.raises(TransactionSuspended):
                await database.transaction(body)
        assert (1000, 0) == await _state(database)

    async def test_a_transaction_is_of_no_use_once_its_body_has_returned(self, database: Database) -> None:
        kept: list[Transaction] = []

        async def keeps(tx: Transaction) -> None:
            kept.append(tx)

        await database.transaction(keeps)
        with pytest.raises(StatementFailed):
            await kept[0].execute("UPDATE accounts SET balance = 0")

        async def uses_the_old_one(tx: Transaction) -> None:
            await kept[0].execute("UPDATE accounts SET balance = 0")

        with pytest.raises(StatementFailed):
            await database.transaction(uses_the_old_one)
        assert 1000 == await _balance(database)

    async def test_a_body_sees_its_own_changes(self, database: Database) -> None:
        async def body(tx: Transaction) -> int:
            await _take(tx, "e1", 10)
            row = await tx.fetch_one("SELECT balance FROM accounts WHERE name = 'till'")
            assert row is not None
            balance: int = row[0]
            return balance

        assert 990 == await database.transaction(body)

    # -- durability --------------------------------------------------------------------------------------------

    async def test_a_thousand_callers_at_once_are_each_answered_once(self, database: Database) -> None:
        async def take(tx: Transaction, number: int) -> int:
            await _take(tx, f"e{number}", 1)
            return number

        numbers = await asyncio.gather(*(database.transaction(partial(take, number=n)) for n in range(1000)))

        assert list(range(1000)) == numbers
        assert (0, 1000) == await _state(database)

    async def test_of_too_many_callers_exactly_as_many_win_as_there_is_stock(self, database: Database) -> None:
        async def take(tx: Transaction, number: int) -> None:
            sql = "UPDATE accounts SET balance = balance - 10 WHERE name = 'till' AND balance >= 10"
            if await tx.execute(sql) == 0:
                raise Refused
            await tx.execute("INSERT INTO entries VALUES ($1, 'till', 10)", f"e{number}")

        outcomes = await _outcomes(database.transaction(partial(take, number=n)) for n in range(300))

        assert 100 == outcomes.count(None)
        assert (0, 100) == await _state(database)

    async def test_a_failed_commit_fails_everyone_who_was_in_it_and_changes_nothing(
        self, database: Database, backend: DatabaseBackend
    ) -> None:
        async def refuse(tx: Transaction) -> None:
            await _take(tx, "refused", 1)
            raise Refused

        with backend.failing_commits(database):
            outcomes = await _outcomes(
                [database.transaction(_taking(f"e{n}")) for n in range(50)] + [database.transaction(refuse)]
            )

        assert {True} == {isinstance(outcome, CommitFailed | DatabaseUnavailable | Refused) for outcome in outcomes}
        assert (1000, 0) == await _state(database)
        await database.transaction(_taking("after"))
        assert (999, 1) == await _state(database)

    async def test_a_full_disk_fails_callers_honestly_and_not_for_ever(
        self, database: Database, backend: DatabaseBackend
    ) -> None:
        big = "x" * 20_000
        sql = "INSERT INTO entries (id, account, amount) VALUES ($1, 'till', 1)"
        with backend.full_disk(database):
            outcomes = await _outcomes(database.transaction(_executing(sql, f"{n}-{big}")) for n in range(200))
            count = await database.fetch_one("SELECT count(*) FROM entries")

        assert {1, DatabaseUnavailable} >= {_kind(outcome) for outcome in outcomes}
        assert DatabaseUnavailable in {_kind(outcome) for outcome in outcomes}
        assert (outcomes.count(1),) == count
        assert 1 == await database.transaction(_executing(sql, "after"))

    async def test_a_body_cannot_hide_that_the_disk_is_full(self, database: Database, backend: DatabaseBackend) -> None:
        async def hides(tx: Transaction) -> None:
            await _take(tx, "hides", 1)
            try:
                for number in range(300):
                    await tx.execute("INSERT INTO entries VALUES ($1, 'till', 1)", f"{number}" + "x" * 20_000)
            except DatabaseError:
                pass

        with backend.full_disk(database):
            outcomes = await _outcomes([database.transaction(_taking("before")), database.transaction(hides)])
            count = await database.fetch_one("SELECT count(*) FROM entries")

        assert DatabaseUnavailable is _kind(outcomes[1])
        assert (outcomes.count(None),) == count

    async def test_a_cancelled_caller_changes_nothing_for_the_others(self, database: Database) -> None:
        tasks = [asyncio.ensure_future(database.transaction(_taking(f"e{n}"))) for n in range(90)]
        for turn, task in enumerate(tasks[::3]):
            if turn % 2:
                await asyncio.sleep(0)
            task.cancel()
        outcomes = await _outcomes(tasks)

        assert {None, asyncio.CancelledError} == {_kind(outcome) for outcome in outcomes}
        rows = {row[0] for row in await database.fetch_all("SELECT id FROM entries")}
        answered = {f"e{n}" for n, outcome in enumerate(outcomes) if outcome is None}
        assert answered <= rows
        assert (1000 - len(rows), len(rows)) == await _state(database)

    async def test_what_was_answered_is_seen_by_the_next_read(self, database: Database) -> None:
        for number in range(20):
            await database.transaction(_taking(f"e{number}"))

            assert (999 - number, number + 1) == await _state(database)

    async def test_what_was_answered_is_there_after_opening_again(
        self, database: Database, backend: DatabaseBackend
    ) -> None:
        await database.transaction(_taking("e1"))
        async with backend.open() as another:
            assert (999, 1) == await _state(another)

    # -- reads -------------------------------------------------------------------------------------------------

    async def test_reads_do_not_wait_for_writers_and_see_only_what_is_durable(
        self, database: Database, backend: DatabaseBackend
    ) -> None:
        seen: list[int] = []
        done = asyncio.Event()

        async def keep_reading() -> None:
            while not done.is_set():
                seen.append(await _balance(database))
                await asyncio.sleep(0)

        reading = asyncio.create_task(keep_reading())
        for number in range(50):
            await database.transaction(_taking(f"e{number}"))
            assert await _balance(database) == 999 - number
        done.set()
        await reading

        assert sorted(seen, reverse=True) == seen
        assert len(seen) > 50

    async def test_a_read_sees_one_view_however_much_is_written_meanwhile(
        self, database: Database, backend: DatabaseBackend
    ) -> None:
        async def both(reading: Reading) -> tuple[Any, Any]:
            balance = await reading.fetch_one("SELECT balance FROM accounts")
            taken = await reading.fetch_one("SELECT count(*) FROM entries")
            assert balance is not None
            assert taken is not None
            return balance[0], taken[0]

        writes = asyncio.gather(*(database.transaction(_taking(f"e{n}")) for n in range(200)))
        views = []
        while not writes.done():
            views.append(await database.read(both))
            await asyncio.sleep(0)

        assert {1000} == {balance + taken for balance, taken in views}

    async def test_a_read_that_raises_or_waits_leaves_the_next_one_alone(self, database: Database) -> None:
        async def raises(reading: Reading) -> None:
            await reading.fetch_one("SELECT balance FROM accounts")
            raise Refused

        async def waits(reading: Reading) -> None:
            await asyncio.sleep(0)

        with pytest.raises(Refused):
            await database.read(raises)
        with pytest.raises(TransactionSuspended):
            await database.read(waits)
        await database.transaction(_taking("e1"))
        assert 999 == await _balance(database)

    async def test_a_stream_gives_every_row_once_while_others_write(self, database: Database) -> None:
        await _fill(database, 2500)
        ids: list[str] = []
        async for (entry,) in database.stream("SELECT id FROM entries WHERE amount = $1 ORDER BY id", 0):
            if not ids:
                await database.transaction(_taking("a-late-one"))
            ids.append(entry)

        assert [f"e{number:05}" for number in range(2500)] == ids

    async def test_a_stream_may_be_left_early_or_cancelled(self, database: Database) -> None:
        await _fill(database, 100)

        async def count_slowly() -> None:
            async for _ in database.stream("SELECT id FROM entries", batch=1):
                started.set()
                await asyncio.sleep(0)

        for _ in range(10):
            started = asyncio.Event()
            task = asyncio.create_task(count_slowly())
            await started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await database.transaction(_taking("after"))
        assert 999 == await _balance(database)

    async def test_a_stream_raises_errors_of_the_port(self, database: Database) -> None:
        with pytest.raises(StatementFailed):
            async for _ in database.stream("SELECT nothing FROM accounts"):
                pass

    # -- several processes -------------------------------------------------------------------------------------

    async def test_two_processes_count_up_together_and_lose_nothing(
        self, database: Database, backend: DatabaseBackend
    ) -> None:
        async def here() -> None:
            sql = "UPDATE accounts SET balance = balance + 1 WHERE name = 'till'"
            for _ in range(20):
                await asyncio.gather(*(_run(database, sql) for _ in range(10)))

        other = await _start(COUNT_UP, backend.url, "200")
        assert other.stdout is not None
        assert other.stdin is not None
        assert b"ready\n" == await other.stdout.readline()
        other.stdin.write(b"go\n")
        await asyncio.gather(here(), other.wait())

        assert 0 == other.returncode
        assert 1400 == await _balance(database)
        other.stdin.close()

    async def test_two_handles_of_one_process_get_along(self, database: Database, backend: DatabaseBackend) -> None:
        async with backend.open() as another:
            sql = "UPDATE accounts SET balance = balance + 1 WHERE name = 'till'"
            await asyncio.gather(*(_run(handle, sql) for _ in range(100) for handle in (database, another)))

            assert 1200 == await _balance(database)
            assert 1200 == await _balance(another)

    async def test_what_a_killed_process_was_answered_is_there(
        self, database: Database, backend: DatabaseBackend
    ) -> None:
        other = await _start(ACKNOWLEDGE, backend.url)
        assert other.stdout is not None
        acknowledged = [(await other.stdout.readline()).decode().strip() for _ in range(100)]
        other.kill()
        acknowledged += (await other.stdout.read()).decode().split("\n")[:-1]
        await other.wait()

        rows = {row[0] for row in await database.fetch_all("SELECT id FROM entries")}
        assert set(acknowledged) <= rows
        assert (1000 - len(rows), len(rows)) == await _state(database)

    # -- migrations --------------------------------------------------------------------------------------------

    async def test_migrations_are_applied_once_and_in_order(self, backend: DatabaseBackend) -> None:
        second = Migration(2, "names", "ALTER TABLE accounts ADD COLUMN owner TEXT")
        async with backend.open() as database:
            assert [LEDGER] == await database.migrate([LEDGER])
            assert [second] == await database.migrate([second, LEDGER])
            assert [] == await database.migrate([LEDGER, second])

    async def test_several_may_migrate_at_once(self, backend: DatabaseBackend) -> None:
        steps = [LEDGER, *(Migration(n, f"step{n}", f"CREATE TABLE t{n} (id TEXT)") for n in range(2, 8))]

        async def start() -> list[Migration]:
            async with backend.open() as database:
                return await database.migrate(steps)

        applied = await asyncio.gather(*(start() for _ in range(6)))

        assert steps == sorted((step for some in applied for step in some), key=lambda step: step.version)

    async def test_migrating_works_while_others_write(self, database: Database) -> None:
        second = Migration(2, "names", "ALTER TABLE accounts ADD COLUMN owner TEXT")
        writes = [database.transaction(_taking(f"e{n}")) for n in range(500)]
        applied, *_ = await asyncio.gather(database.migrate([LEDGER, second]), *writes)

        assert [second] == applied
        assert (None,) == await database.fetch_one("SELECT owner FROM accounts")

    async def test_a_migration_that_fails_leaves_nothing_behind(self, database: Database) -> None:
        half = Migration(2, "half", "CREATE TABLE half (id TEXT); CREATE TABLE half (id TEXT);")
        with pytest.raises(MigrationFailed, match="0002_half"):
            await database.migrate([LEDGER, half])

        whole = Migration(2, "whole", "CREATE TABLE half (id TEXT)")
        assert [whole] == await database.migrate([LEDGER, whole])

    async def test_a_migration_cannot_end_its_own_transaction(self, database: Database) -> None:
        sly = Migration(2, "sly", "CREATE TABLE sly (id TEXT); COMMIT;")
        with pytest.raises(MigrationFailed, match="0002_sly"):
            await database.migrate([LEDGER, sly])

    async def test_a_migration_changed_after_it_was_applied_is_refused(self, database: Database) -> None:
        changed = Migration(1, "ledger", LEDGER.sql + "-- harmless, one would think")
        with pytest.raises(MigrationFailed, match="was changed"):
            await database.migrate([changed])

    async def test_a_database_newer_than_the_code_is_refused(self, database: Database) -> None:
        await database.migrate([LEDGER, Migration(2, "newer", "CREATE TABLE newer (id TEXT)")])
        with pytest.raises(MigrationFailed, match="0002_newer"):
            await database.migrate([LEDGER])

    async def test_a_gap_between_migrations_is_refused(self, database: Database) -> None:
        with pytest.raises(MigrationFailed, match="no migration 0002"):
            await database.migrate([LEDGER, Migration(3, "third", "SELECT 1")])

    # -- opening and closing -----------------------------------------------------------------------------------

    async def test_a_database_that_answers_is_ready_and_a_closed_one_is_not(self, backend: DatabaseBackend) -> None:
        database = backend.open()
        with pytest.raises(DatabaseUnavailable):
            await database.check()
        async with database:
            await database.check()
        for use in (
            database.check(),
            database.fetch_one("SELECT 1"),
            database.transaction(_executing("SELECT 1")),
        ):
            with pytest.raises(DatabaseUnavailable):
                await use

    async def test_leaving_finishes_what_is_in_hand(self, backend: DatabaseBackend) -> None:
        async with backend.open() as database:
            await database.migrate([LEDGER])
            calls = [asyncio.ensure_future(database.transaction(_taking(f"e{n}"))) for n in range(700)]
            await asyncio.sleep(0)
        assert [None] * 700 == await asyncio.gather(*calls)

        async with backend.open() as database:
            assert (300, 700) == await _state(database)

    async def test_a_database_may_be_entered_again(self, backend: DatabaseBackend) -> None:
        database = backend.open()
        async with database:
            await database.migrate([LEDGER])
        async with database:
            assert 1000 == await _balance(database)


def _taking(entry: str) -> TransactionBody[None]:
    """A body that takes 1 from the till."""
    return lambda tx: _take(tx, entry, 1)


def _executing(sql: str, *values: Value) -> TransactionBody[int]:
    """A body of one statement."""
    return lambda tx: tx.execute(sql, *values)


async def _take(tx: Transaction, entry: str, amount: int) -> None:
    await tx.execute("UPDATE accounts SET balance = balance - $1 WHERE name = 'till'", amount)
    await tx.execute("INSERT INTO entries (id, account, amount) VALUES ($1, 'till', $2)", entry, amount)


async def _start(program: str, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


async def _fill(database: Database, number: int) -> None:
    rows = [(f"e{n:05}",) for n in range(number)]
    sql = "INSERT INTO entries (id, account, amount) VALUES ($1, 'till', 0)"
    await database.transaction(lambda tx: tx.execute_many(sql, rows))


async def _run(database: Database, sql: str, *values: Any) -> int:
    return await database.transaction(_executing(sql, *values))


async def _balance(database: Database) -> int:
    row = await database.fetch_one("SELECT balance FROM accounts WHERE name = 'till'")
    assert row is not None
    balance: int = row[0]
    return balance


async def _state(database: Database) -> Any:
    """The balance of the till, and the number of entries."""
    return await database.fetch_one("SELECT balance, (SELECT count(*) FROM entries) FROM accounts")


async def _outcomes(calls: Iterable[Awaitable[T]]) -> list[T | BaseException]:
    return await asyncio.gather(*calls, return_exceptions=True)


def _kind(outcome: object) -> object:
    """The type of an error; anything else as it is."""
    return type(outcome) if isinstance(outcome, BaseException) else outcome
