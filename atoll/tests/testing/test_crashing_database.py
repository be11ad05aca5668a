"""The crash comes at its point, once, and to requests only."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from atoll import context
from atoll.context import RequestContext
from atoll.observability.tracing import TraceContext
from atoll.storage import Transaction, open_database
from atoll.testing.crashing_database import CrashingDatabase, CrashPoint, crash_points

EVERY_POINT = ["before body", "statement 0", "statement 1", "after body", "after commit"]


class Crash(Exception):
    """In place of the end of this process."""


def crash() -> None:
    raise Crash


async def write(tx: Transaction) -> None:
    await tx.execute("INSERT INTO notes VALUES (1)")
    await tx.execute_many("INSERT INTO notes VALUES ($1)", [(2,), (3,)])


@pytest.fixture
def in_a_request() -> Iterator[None]:
    before = context.current.set(RequestContext(TraceContext.fresh(), "a request", None))
    yield
    context.current.reset(before)


def test_every_point_of_a_transaction_has_a_name() -> None:
    assert EVERY_POINT == [str(point) for point in crash_points(statements=2)]
    assert crash_points(statements=2) == [CrashPoint.read(name) for name in EVERY_POINT]


@pytest.mark.parametrize("point", EVERY_POINT)
@pytest.mark.usefixtures("in_a_request")
async def test_it_crashes_once_and_only_what_was_committed_is_there(tmp_path: Path, point: str) -> None:
    file = open_database(f"sqlite:///{tmp_path}/notes.db")
    async with CrashingDatabase(file, CrashPoint.read(point), crash) as database:
        await file.transaction(lambda tx: tx.execute("CREATE TABLE notes (id BIGINT NOT NULL)"))
        with pytest.raises(Crash):
            await database.transaction(write)
        left = await database.fetch_all("SELECT id FROM notes")
        await database.transaction(write)

    assert (3 if point == "after commit" else 0) == len(left)


async def test_what_no_request_asks_for_goes_well(tmp_path: Path) -> None:
    async with CrashingDatabase(
        open_database(f"sqlite:///{tmp_path}/n.db"), CrashPoint("before body"), crash
    ) as database:
        await database.transaction(lambda tx: tx.execute("CREATE TABLE notes (id BIGINT NOT NULL)"))
