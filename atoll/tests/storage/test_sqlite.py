"""What holds for SQLite beyond what holds for every database."""

import asyncio
import contextvars
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import apsw
import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from atoll.storage import CommitFailed, Database, DatabaseUnavailable, Transaction
from atoll.storage.sqlite import SqliteDatabase, group_commit
from atoll.storage.sqlite.writing import WritingConnection
from atoll.testing.database_model import database_machine
from atoll.testing.database_suite import LEDGER, DatabaseBackend, DatabaseSuite
from atoll.testing.faulty_disk import FaultyDisk

TAKE = "UPDATE accounts SET balance = balance - 1 WHERE name = 'till'"
NOTHING = "UPDATE accounts SET balance = balance"


class FaultyDiskBackend:
    """A file on a disk that fails when it is written or synced: SQLite hears of it at the commit."""

    def __init__(self, path: Path, disk: FaultyDisk) -> None:
        self.path = path
        self.disk = disk

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def open(self) -> SqliteDatabase:
        return SqliteDatabase(self.path, vfs=self.disk.name)

    @contextmanager
    def failing_commits(self, database: Database) -> Iterator[None]:
        self.disk.sync_error = apsw.IOError
        try:
            yield
        finally:
            self.disk.sync_error = None

    @contextmanager
    def full_disk(self, database: Database) -> Iterator[None]:
        self.disk.room = 1_000_000
        try:
            yield
        finally:
            self.disk.room = None


class FewPagesBackend:
    """A file that may not grow: SQLite hears of it in a statement, and ends the whole transaction by itself."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def open(self) -> SqliteDatabase:
        return SqliteDatabase(self.path)

    @contextmanager
    def failing_commits(self, database: Database) -> Iterator[None]:
        engine = writing_engine(database)
        engine.set_commit_hook(lambda: True)
        try:
            yield
        finally:
            engine.set_commit_hook(None)

    @contextmanager
    def full_disk(self, database: Database) -> Iterator[None]:
        engine = writing_engine(database)
        usual = engine.pragma("max_page_count")
        engine.pragma("max_page_count", engine.pragma("page_count") + 250)
        try:
            yield
        finally:
            engine.pragma("max_page_count", usual)


@pytest.fixture(scope="module")
def disk() -> Iterator[FaultyDisk]:
    disk = FaultyDisk("faulty")
    yield disk
    disk.unregister()


class TestOnFaultyDisk(DatabaseSuite):
    @pytest.fixture
    def backend(self, tmp_path: Path, disk: FaultyDisk) -> DatabaseBackend:
        return FaultyDiskBackend(tmp_path / "suite.db", disk)


class TestWithFewPages(DatabaseSuite):
    @pytest.fixture
    def backend(self, tmp_path: Path) -> DatabaseBackend:
        return FewPagesBackend(tmp_path / "suite.db")


@pytest.mark.timeout(120)
def test_it_agrees_with_a_model_of_it(tmp_path_factory: pytest.TempPathFactory, disk: FaultyDisk) -> None:
    machine = database_machine(
        lambda: FaultyDiskBackend(tmp_path_factory.mktemp("machine") / "model.db", disk),
    )

    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=8, deadline=None))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with SqliteDatabase(tmp_path / "one.db") as database:
        await database.migrate([LEDGER])
        yield database


async def test_when_the_commit_fails_even_a_refusal_is_a_failure(tmp_path: Path) -> None:
    backend = FewPagesBackend(tmp_path / "one.db")

    async def refuse(tx: Transaction) -> None:
        await tx.execute(TAKE)
        raise ValueError("a refusal that rests on what is lost")

    async with backend.open() as database:
        await database.migrate([LEDGER])
        with backend.failing_commits(database):
            outcomes = await asyncio.gather(
                database.transaction(lambda tx: tx.execute(TAKE)),
                database.transaction(refuse),
                return_exceptions=True,
            )

    assert [CommitFailed, CommitFailed] == [type(outcome) for outcome in outcomes]


async def test_a_commit_that_leaves_its_transaction_open_is_rolled_back(tmp_path: Path, disk: FaultyDisk) -> None:
    async with SqliteDatabase(tmp_path / "one.db", vfs=disk.name) as database:
        await database.migrate([LEDGER])
        disk.sync_error = apsw.BusyError
        with pytest.raises(DatabaseUnavailable):
            await database.transaction(lambda tx: tx.execute(TAKE))
        disk.sync_error = None

        assert 1 == await database.transaction(lambda tx: tx.execute(TAKE))
        assert (999,) == await database.fetch_one("SELECT balance FROM accounts")


async def test_a_group_is_bounded(database: SqliteDatabase) -> None:
    commits = count_commits(database)
    callers = group_commit.LARGEST_GROUP + 1
    await asyncio.gather(*(database.transaction(lambda tx: tx.execute(NOTHING)) for _ in range(callers)))

    assert len(commits) >= 2


async def test_callers_at_once_share_a_commit(database: SqliteDatabase) -> None:
    commits = count_commits(database)
    await asyncio.gather(*(database.transaction(lambda tx: tx.execute(TAKE)) for _ in range(50)))

    assert 1 == len(commits)


async def test_slow_bodies_do_not_keep_the_loop_for_long(database: SqliteDatabase) -> None:
    commits = count_commits(database)

    async def slow(tx: Transaction) -> None:
        await tx.execute(TAKE)
        ends_at = time.perf_counter() + group_commit.LONGEST_GROUP
        while time.perf_counter() < ends_at:
            pass

    await asyncio.gather(*(database.transaction(slow) for _ in range(5)))

    assert 5 == len(commits)


async def test_while_another_process_writes_the_loop_goes_on_and_reads_are_answered(
    database: SqliteDatabase, tmp_path: Path
) -> None:
    other = apsw.Connection(str(tmp_path / "one.db"))
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.ensure_future(database.transaction(lambda tx: tx.execute(TAKE)))
    for _ in range(100):
        assert (1000,) == await database.fetch_one("SELECT balance FROM accounts")
        await asyncio.sleep(0)
    assert not waiting.done()
    other.execute("COMMIT")

    assert 1 == await waiting
    other.close()


async def test_a_lock_that_is_held_too_long_is_an_error_and_not_for_ever(tmp_path: Path) -> None:
    async with SqliteDatabase(tmp_path / "one.db", lock_timeout=0.05) as database:
        await database.migrate([LEDGER])
        other = apsw.Connection(str(tmp_path / "one.db"))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable, match="locked"):
            await database.transaction(lambda tx: tx.execute(TAKE))
        other.execute("COMMIT")
        other.close()

        assert 1 == await database.transaction(lambda tx: tx.execute(TAKE))


async def test_a_reader_waits_while_another_process_recovers_the_file(database: SqliteDatabase, tmp_path: Path) -> None:
    assert (1000,) == await database.fetch_one("SELECT balance FROM accounts")
    holder = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HOLD_RECOVERY_LOCK,
        str(tmp_path / "one.db-shm"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert b"held\n" == await holder.stdout.readline()
    reading = asyncio.ensure_future(database.fetch_one("SELECT balance FROM accounts"))
    await asyncio.sleep(0)
    assert not reading.done()
    await holder.communicate(b"let go\n")

    assert (1000,) == await reading


async def test_a_connection_that_cannot_roll_back_is_opened_anew(tmp_path: Path) -> None:
    connection = WritingConnection(tmp_path / "one.db", None, lock_timeout=1)
    connection.begin_at_once()
    connection.engine.close(True)
    connection.roll_back()

    assert not connection.begin_at_once()
    connection.begin_patiently()
    connection.commit()
    connection.close()


async def test_a_body_runs_in_the_context_of_its_caller(database: SqliteDatabase) -> None:
    trace: contextvars.ContextVar[str] = contextvars.ContextVar("trace")

    async def body(tx: Transaction) -> str:
        return trace.get()

    async def call(name: str) -> str:
        trace.set(name)
        return await database.transaction(body)

    assert ["a", "b", "c"] == [*await asyncio.gather(call("a"), call("b"), call("c"))]


async def test_only_the_owner_can_read_a_new_file(database: SqliteDatabase, tmp_path: Path) -> None:
    modes = {file.name: file.stat().st_mode & 0o777 for file in os.scandir(tmp_path)}

    assert {"one.db": 0o600, "one.db-wal": 0o600, "one.db-shm": 0o600} == modes


async def test_a_file_that_was_replaced_is_noticed(database: SqliteDatabase, tmp_path: Path) -> None:
    shutil.copy(tmp_path / "one.db", tmp_path / "copy.db")
    os.replace(tmp_path / "copy.db", tmp_path / "one.db")

    with pytest.raises(DatabaseUnavailable, match="removed or replaced"):
        await database.check()


async def test_leaving_ends_the_streams_that_are_running(tmp_path: Path) -> None:
    async with SqliteDatabase(tmp_path / "one.db") as database:
        numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
        rows = database.stream(numbers, batch=1)
        assert (1,) == await anext(rows)

    with pytest.raises(DatabaseUnavailable, match="closed"):
        await anext(rows)


async def test_a_place_that_cannot_hold_a_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DatabaseUnavailable, match=r"one\.db cannot be made"):
        await SqliteDatabase(tmp_path / "file" / "one.db").__aenter__()


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "one.db").write_text("certainly not a database" * 100)
    with pytest.raises(DatabaseUnavailable, match=r"one\.db cannot be opened"):
        await SqliteDatabase(tmp_path / "one.db").__aenter__()


async def test_on_a_disk_that_is_really_full_callers_fail_and_then_go_on(tiny_disk: Path) -> None:
    async with SqliteDatabase(tiny_disk / "one.db") as database:
        await database.migrate([LEDGER])
        sql = "INSERT INTO entries (id, account, amount) VALUES ($1, 'till', 1)"
        outcomes = await asyncio.gather(
            *(database.transaction(partial(insert, sql, f"{n}" + "x" * 20_000)) for n in range(300)),
            return_exceptions=True,
        )
        count = await database.fetch_one("SELECT count(*) FROM entries")

        assert {DatabaseUnavailable} >= {type(outcome) for outcome in outcomes if outcome != 1}
        assert (outcomes.count(1),) == count
        (tiny_disk / "ballast").unlink()
        assert 1 == await database.transaction(partial(insert, sql, "after"))


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
async def test_the_disk_has_it_before_the_caller_hears_of_it(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync,write", "-o", str(trace)]
    program = [sys.executable, "-c", ANSWER_ONCE, f"sqlite:///{tmp_path}/one.db"]
    ran = await asyncio.to_thread(subprocess.run, [*command, *program], capture_output=True, text=True)
    if "ptrace" in ran.stderr:
        pytest.skip(f"strace may not trace here: {ran.stderr.strip()}")

    calls = trace.read_text().splitlines()
    asked = next(place for place, call in enumerate(calls) if '"asked' in call)
    answered = next(place for place, call in enumerate(calls) if '"answered' in call)
    synced = [call for call in calls[asked:answered] if re.search(r"f(data)?sync\(\d+<.*one\.db-wal>", call)]
    assert 1 == len(synced)


async def insert(sql: str, entry: str, tx: Transaction) -> int:
    return await tx.execute(sql, entry)


def writing_engine(database: Database) -> apsw.Connection:
    assert isinstance(database, SqliteDatabase)
    assert database._parts is not None
    return database._parts.writer._connection.engine


def count_commits(database: SqliteDatabase) -> list[None]:
    """Grows by one for each commit of the writing connection."""
    commits: list[None] = []

    def count() -> bool:
        commits.append(None)
        return False

    writing_engine(database).set_commit_hook(count)
    return commits


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB, half of it taken by a file that can be deleted."""
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "atoll-test", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:  # noqa: S603  # a fixed command
        pytest.skip("a small file system cannot be mounted here")
    (place / "ballast").write_bytes(b"x" * 2_000_000)
    yield place
    subprocess.run(["umount", str(place)], check=True)  # noqa: S603, S607  # a fixed command


ANSWER_ONCE = """
import asyncio, os, sys
from atoll.storage import open_database

async def main(url):
    async with open_database(url) as database:
        await database.transaction(lambda tx: tx.execute("CREATE TABLE t (id TEXT)"))
        os.write(1, b"asked")
        await database.transaction(lambda tx: tx.execute("INSERT INTO t VALUES ('a')"))
        os.write(1, b"answered")

asyncio.run(main(sys.argv[1]))
"""

HOLD_RECOVERY_LOCK = """
import fcntl, sys

WRITE_LOCK, RECOVER_LOCK = 120, 122  # bytes of the shared memory: https://sqlite.org/walformat.html

with open(sys.argv[1], "r+b") as shared:
    for place in (WRITE_LOCK, RECOVER_LOCK):
        fcntl.lockf(shared, fcntl.LOCK_EX, 1, place)
    shared.write(bytes(96))  # as a process that died while it wrote the header leaves it
    shared.flush()
    print("held", flush=True)
    sys.stdin.readline()
"""
