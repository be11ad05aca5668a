import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from atoll.storage import DatabaseError, DatabaseUnavailable, Transaction, open_database, open_read_only

CRASHING_WRITER = """
import asyncio, os, sys
from atoll.storage import open_database

async def write():
    database = open_database(sys.argv[1])
    await database.__aenter__()
    await database.transaction(lambda tx: tx.execute("CREATE TABLE things (name TEXT)"))
    await database.transaction(lambda tx: tx.execute("INSERT INTO things VALUES ('one'), ('two')"))
    os._exit(0)

asyncio.run(write())
"""


async def _add(tx: Transaction) -> None:
    await tx.execute("CREATE TABLE things (name TEXT)")
    await tx.execute("INSERT INTO things VALUES ('one'), ('two')")


@pytest.fixture
async def url(tmp_path: Path) -> str:
    """A database that was closed in order."""
    url = f"sqlite:///{tmp_path}/things.db"
    async with open_database(url) as database:
        await database.transaction(_add)
    return url


@pytest.fixture
def url_after_crash(tmp_path: Path) -> str:
    """A database whose writer has died without a word."""
    url = f"sqlite:///{tmp_path}/things.db"
    subprocess.run([sys.executable, "-c", CRASHING_WRITER, url], check=True)  # noqa: S603 - our own program
    return url


async def test_every_way_of_asking_answers(url: str) -> None:
    async with open_read_only(url) as database:
        one = await database.fetch_one("SELECT name FROM things WHERE name = $1", "one")
        both = await database.fetch_all("SELECT name FROM things ORDER BY name")
        counted = await database.read(lambda reading: reading.fetch_one("SELECT count(*) FROM things"))
        streamed = [row async for row in database.stream("SELECT name FROM things ORDER BY name", batch=1)]

    assert ("one",) == one
    assert [("one",), ("two",)] == both == streamed
    assert (2,) == counted


async def test_nothing_can_be_changed(url: str) -> None:
    async with open_read_only(url) as database:
        with pytest.raises(DatabaseError, match="readonly"):
            await database.fetch_all("DELETE FROM things RETURNING name")
        left = await database.fetch_one("SELECT count(*) FROM things")

    assert (2,) == left


async def test_what_a_writer_commits_meanwhile_is_seen(url: str) -> None:
    async with open_database(url) as writing, open_read_only(url) as looking:
        await writing.transaction(lambda tx: tx.execute("INSERT INTO things VALUES ('three')"))
        seen = await looking.fetch_one("SELECT count(*) FROM things")

    assert (3,) == seen


async def test_what_a_crash_left_in_the_log_is_seen_and_left_there(url_after_crash: str, tmp_path: Path) -> None:
    before = _content(tmp_path)

    async with open_read_only(url_after_crash) as database:
        names = await database.fetch_all("SELECT name FROM things ORDER BY name")

    assert [("one",), ("two",)] == names
    assert before == _content(tmp_path)


async def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="There is no database"):
        async with open_read_only(f"sqlite:///{tmp_path}/things.db"):
            pass

    assert {} == _content(tmp_path)


async def test_it_cannot_be_asked_before_it_is_entered(url: str) -> None:
    with pytest.raises(DatabaseUnavailable, match="enter it first"):
        await open_read_only(url).fetch_one("SELECT 1")


def _content(folder: Path) -> dict[str, str]:
    """The database and its log; the index beside them is rebuilt at will."""
    files = [path for path in folder.iterdir() if not path.name.endswith("-shm")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
