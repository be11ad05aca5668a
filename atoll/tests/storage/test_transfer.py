"""Data out of one engine and into another: all of it, or none and a sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atoll.storage import Database, DatabaseError, Migration, open_database, open_read_only
from atoll.storage.transfer import TransferFailed, export_data, import_data
from atoll.storage.transfer.file import new_file

SCHEMA = Migration(
    1,
    "everything",
    """
    CREATE TABLE b_parents (id TEXT PRIMARY KEY, note TEXT);
    CREATE TABLE a_children (
        id BIGINT PRIMARY KEY, parent TEXT NOT NULL REFERENCES b_parents (id), "order" DOUBLE PRECISION, data BYTEA
    );
    CREATE TABLE counters (id BIGINT PRIMARY KEY, value BIGINT NOT NULL);
    INSERT INTO counters VALUES (1, 0);
    """,
)
MORE = Migration(2, "more", "ALTER TABLE b_parents ADD COLUMN owner TEXT")

PARENTS = [("p1", "Łódź ✓\n'quoted'\t\"too\""), ("p2", None), ("p3", "\u2028[1]")]
CHILDREN = [(2**63 - 1, "p2", 0.1, b"\x00\xff"), (-(2**63), "p1", -0.0, b""), (0, "p3", 1e308, None)]

Rows = dict[str, list[tuple[Any, ...]]]


def lines_of(file: Path) -> list[str]:
    return file.read_text().split("\n")[:-1]


def write_lines(file: Path, lines: list[str]) -> None:
    file.write_text("".join(f"{line}\n" for line in lines))


def silent(rows: int, total: int) -> None:
    """Progress of no interest."""


async def fill(database: Database) -> None:
    await database.migrate([SCHEMA])
    parents = "INSERT INTO b_parents (id, note) VALUES ($1, $2)"
    children = 'INSERT INTO a_children (id, parent, "order", data) VALUES ($1, $2, $3, $4)'
    await database.transaction(lambda tx: tx.execute_many(parents, PARENTS))
    await database.transaction(lambda tx: tx.execute_many(children, CHILDREN))
    await database.transaction(lambda tx: tx.execute("UPDATE counters SET value = 7"))


async def content(url: str) -> Rows:
    async with open_read_only(url) as database:
        return {
            "parents": await database.fetch_all("SELECT id, note FROM b_parents ORDER BY id"),
            "children": await database.fetch_all('SELECT id, parent, "order", data FROM a_children ORDER BY id'),
            "counters": await database.fetch_all("SELECT id, value FROM counters"),
        }


async def exported(url: str, path: Path) -> int:
    async with open_read_only(url) as source:
        return await export_data(source, "things", path, silent)


async def imported(url: str, path: Path, *migrations: Migration, service: str = "things") -> int:
    async with open_database(url) as target:
        return await import_data(target, service, migrations or [SCHEMA], path, silent)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/other.db"


@pytest.fixture
async def source(database_url: str) -> str:
    """A database with data."""
    async with open_database(database_url) as database:
        await fill(database)
    return database_url


@pytest.fixture
async def file(sqlite_url: str, tmp_path: Path) -> Path:
    """What was exported."""
    async with open_database(sqlite_url) as database:
        await fill(database)
    await exported(sqlite_url, tmp_path / "things.jsonl")
    return tmp_path / "things.jsonl"


async def test_all_of_it_comes_out_of_one_engine_and_into_the_other(
    source: str, database_engine: str, sqlite_url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    target = sqlite_url if database_engine == "postgresql" else request.getfixturevalue("postgres_url")
    count = await exported(source, tmp_path / "things.jsonl")

    assert 7 == count == await imported(target, tmp_path / "things.jsonl")
    assert await content(source) == await content(target)


async def test_from_either_engine_comes_the_same_file_but_for_the_order_of_rows(
    source: str, file: Path, tmp_path: Path
) -> None:
    await exported(source, tmp_path / "again.jsonl")

    assert sorted(lines_of(file)) == sorted(lines_of(tmp_path / "again.jsonl"))


async def test_only_its_owner_can_read_the_file(file: Path) -> None:
    assert 0o600 == file.stat().st_mode & 0o777  # noqa: ASYNC240 - a quick look


def test_what_somebody_has_put_in_the_place_of_the_draft_is_not_written_to(tmp_path: Path) -> None:
    theirs, path = tmp_path / "theirs", tmp_path / "users.jsonl"
    theirs.touch(mode=0o666)
    (tmp_path / ".users.jsonl.new").symlink_to(theirs)
    with new_file(path) as writer:
        writer.row(b"a secret")

    assert b"" == theirs.read_bytes()
    assert 0o600 == path.stat(follow_symlinks=False).st_mode & 0o777
    assert b"a secret" in path.read_bytes()


async def test_data_goes_into_a_schema_that_has_gone_on(file: Path, database_url: str) -> None:
    await imported(database_url, file, SCHEMA, MORE)

    async with open_read_only(database_url) as database:
        assert ("p1", None) == await database.fetch_one("SELECT id, owner FROM b_parents ORDER BY id")


async def test_progress_is_told_up_to_the_end(file: Path, database_url: str) -> None:
    told: list[tuple[int, int]] = []
    async with open_database(database_url) as target:
        await import_data(target, "things", [SCHEMA], file, lambda *seen: told.append(seen))

    assert (14, 14) == told[-1]
    assert sorted(told) == told


async def test_a_database_in_use_is_left_alone(source: str, file: Path) -> None:
    with pytest.raises(TransferFailed, match="in use: there is data in"):
        await imported(source, file)
    assert 3 == len((await content(source))["parents"])


async def test_where_others_are_at_work_nothing_is_moved(file: Path, postgres_url: str, tmp_path: Path) -> None:
    async with open_database(postgres_url) as database:
        await fill(database)
        with pytest.raises(TransferFailed, match=r"still at work: its database has \d other sessions, from 127"):
            await exported(postgres_url, tmp_path / "again.jsonl")
        with pytest.raises(TransferFailed, match="still at work"):
            await imported(postgres_url, file)


async def test_data_of_another_service_is_refused(file: Path, database_url: str) -> None:
    with pytest.raises(TransferFailed, match="holds the data of things, not of orders"):
        await imported(database_url, file, service="orders")


@pytest.mark.parametrize("migrations", [[], [Migration(1, "everything", SCHEMA.sql + "-- changed")]])
async def test_data_from_other_code_is_refused(file: Path, database_url: str, migrations: list[Migration]) -> None:
    async with open_database(database_url) as target:
        with pytest.raises(TransferFailed, match="was exported by other code"):
            await import_data(target, "things", migrations, file, silent)


def without_the_last_line(lines: list[str]) -> list[str]:
    return lines[:-1]


def with_a_row_less(lines: list[str]) -> list[str]:
    return [line for line in lines if '"p2",0.1' not in line]


def with_another_value(lines: list[str]) -> list[str]:
    return [line.replace("0.1", "0.2") for line in lines]


def with_a_broken_line(lines: list[str]) -> list[str]:
    return [line.replace("0.1,", "0.1 ") for line in lines]


def with_an_unknown_table(lines: list[str]) -> list[str]:
    return [line.replace('"table":"counters"', '"table":"meters"') for line in lines]


def with_an_orphan(lines: list[str]) -> list[str]:
    return [line.replace('"p2",0.1', '"p9",0.1') for line in lines]


def empty(lines: list[str]) -> list[str]:
    return []


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (without_the_last_line, TransferFailed),
        (with_a_row_less, TransferFailed),
        (with_another_value, TransferFailed),
        (with_a_broken_line, TransferFailed),
        (with_an_unknown_table, TransferFailed),
        (with_an_orphan, DatabaseError),
        (empty, TransferFailed),
    ],
)
async def test_a_damaged_file_leaves_nothing_behind_and_the_whole_one_can_be_imported_after_it(
    file: Path, database_url: str, damage: Callable[[list[str]], list[str]], error: type[Exception]
) -> None:
    whole = lines_of(file)
    write_lines(file, damage(whole))
    with pytest.raises(error):
        await imported(database_url, file)
    write_lines(file, whole)

    assert 7 == await imported(database_url, file)


async def test_an_empty_database_is_not_exported(database_url: str, tmp_path: Path) -> None:
    async with open_database(database_url):
        pass
    with pytest.raises(TransferFailed, match="things keeps nothing there"):
        await exported(database_url, tmp_path / "things.jsonl")

    assert [] == [path.name for path in tmp_path.iterdir() if "things" in path.name]  # noqa: ASYNC240 - a quick look


async def test_a_file_that_is_not_there_is_told(database_url: str, tmp_path: Path) -> None:
    with pytest.raises(TransferFailed, match=r"nothing\.jsonl cannot be read: No such file"):
        await imported(database_url, tmp_path / "nothing.jsonl")


def test_every_line_is_json(file: Path) -> None:
    assert {"end": True} == [json.loads(line) for line in lines_of(file)][-1]
