"""Writers go together, each gets its own result, and one that cannot be written takes nobody with it."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll import context
from atoll.context import RequestContext
from atoll.observability.tracing import TraceContext
from atoll.storage import Database, DatabaseUnavailable, Migration, Transaction, UniqueViolated, open_database
from atoll.storage.database import TransactionBody
from atoll.storage.together import AT_ONCE, Together
from atoll.storage.wrapping import WrappingDatabase

T = TypeVar("T")

NUMBERS = [Migration(1, "numbers", "CREATE TABLE numbers (number BIGINT NOT NULL PRIMARY KEY)")]
ADD = "INSERT INTO numbers (number) VALUES ($1)"


class Numbers:
    """Writes numbers down, each once; its double is the result. Notes how many went together."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.together = Together(database, one=self._one, many=self._many)
        self.sizes: list[int] = []
        self.deadlines: list[float | None] = []

    async def _one(self, tx: Transaction, number: int) -> int:
        self.deadlines.append(_deadline())
        await tx.execute(ADD, number)
        return 2 * number

    async def _many(self, tx: Transaction, numbers: Sequence[int]) -> Sequence[int]:
        self.sizes.append(len(numbers))
        self.deadlines.append(_deadline())
        await tx.execute_many(ADD, [(number,) for number in numbers])
        return [2 * number for number in numbers]

    async def write(self, *numbers: int) -> list[int | BaseException]:
        return await asyncio.gather(*map(self.together.write, numbers), return_exceptions=True)

    async def write_until(self, deadline: float, number: int) -> int:
        """As part of a request with that deadline."""
        context.current.set(RequestContext(TraceContext.fresh(), "r", deadline))
        return await self.together.write(number)

    async def written(self) -> list[int]:
        return [number for (number,) in await self.database.fetch_all("SELECT number FROM numbers ORDER BY 1")]


def _deadline() -> float | None:
    request = context.current.get()
    return None if request is None else request.deadline


@pytest.fixture
async def numbers(database_url: str) -> AsyncIterator[Numbers]:
    async with open_database(database_url) as database:
        await database.migrate(NUMBERS)
        yield Numbers(database)


async def test_who_comes_at_the_same_time_goes_together(numbers: Numbers) -> None:
    results = await numbers.write(*range(20))

    assert list(range(0, 40, 2)) == results
    assert [20] == numbers.sizes
    assert list(range(20)) == await numbers.written()


async def test_who_is_alone_is_written_alone(numbers: Numbers) -> None:
    assert [14] == await numbers.write(7)
    assert [] == numbers.sizes


async def test_who_comes_meanwhile_goes_with_the_next(numbers: Numbers) -> None:
    first = asyncio.create_task(numbers.write(1, 2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await numbers.write(3, 4, 5)
    await first

    assert [2, 3] == numbers.sizes


async def test_the_deadline_is_the_latest_of_those_who_go_together_and_not_of_whoever_came_first(
    numbers: Numbers,
) -> None:
    soon, late = time.monotonic() + 50, time.monotonic() + 90
    first = asyncio.create_task(numbers.write_until(soon, 1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.gather(*(numbers.write_until(deadline, n) for n, deadline in enumerate((soon, late, soon), start=2)))
    await first

    assert [soon, late] == numbers.deadlines
    assert [3] == numbers.sizes


async def test_so_many_at_most_go_together(numbers: Numbers) -> None:
    await numbers.write(*range(AT_ONCE + 10))

    assert [AT_ONCE, 10] == numbers.sizes


async def test_one_that_is_refused_takes_nobody_with_it(numbers: Numbers) -> None:
    await numbers.write(3)
    results = await numbers.write(1, 2, 3, 4)

    assert isinstance(results.pop(2), UniqueViolated)
    assert [2, 4, 8] == results
    assert [1, 2, 3, 4] == await numbers.written()


async def test_of_the_same_twice_one_is_refused(numbers: Numbers) -> None:
    results = await numbers.write(1, 1)

    assert [2] == [result for result in results if not isinstance(result, UniqueViolated)]
    assert [1] == await numbers.written()


async def test_who_gives_up_before_it_began_is_not_written(numbers: Numbers) -> None:
    tasks = [asyncio.create_task(numbers.together.write(number)) for number in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await numbers.write(7)

    assert [0, 2, 7] == await numbers.written()


class Away(WrappingDatabase):
    async def transaction(self, body: TransactionBody[T]) -> T:
        raise DatabaseUnavailable("away")


async def test_while_the_database_is_away_everybody_is_told_at_once(numbers: Numbers) -> None:
    results = await Numbers(Away(numbers.database)).write(1, 2)

    assert ["away", "away"] == [str(result) for result in results]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=6), min_size=1, max_size=6))
def test_each_number_is_written_once_however_they_come(groups: list[list[int]]) -> None:
    async def outcome() -> tuple[list[int], list[int]]:
        with tempfile.TemporaryDirectory() as folder:
            async with open_database(f"sqlite:///{folder}/test.db") as database:
                await database.migrate(NUMBERS)
                numbers = Numbers(database)
                results = await asyncio.gather(*(_late(turns, numbers, group) for turns, group in enumerate(groups)))
                good = [result // 2 for some in results for result in some if isinstance(result, int)]
                return sorted(good), await numbers.written()

    good, written = asyncio.run(outcome())
    assert good == written == sorted({number for group in groups for number in group})


async def _late(turns: int, numbers: Numbers, group: list[int]) -> list[int | BaseException]:
    for _ in range(turns):
        await asyncio.sleep(0)
    return await numbers.write(*group)
