"""One of many at a time, on each engine."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from atoll.storage import Database, Migration, open_database
from atoll.storage.leases import LASTS, Lease
from atoll.storage.postgres import PostgresDatabase, parse_address
from atoll.testing.clock import ManualClock
from atoll.testing.eventually import eventually
from atoll.testing.full_database import FullDatabase
from atoll.testing.postgres_relay import postgres_relay

NewLease = Callable[..., Lease]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as database:
        await database.migrate([Migration(1, "nothing", "SELECT 1")])
        yield database


@pytest.fixture
def lease(database: Database, clock: ManualClock) -> NewLease:
    """A lease as somebody sees it."""

    def make(holder: str, clock: ManualClock = clock) -> Lease:
        return Lease(database, "sweeping", holder=holder, clock=clock)

    return make


async def test_of_many_at_once_one_has_it(lease: NewLease) -> None:
    taken = await asyncio.gather(*(lease(f"replica-{number}").take() for number in range(20)))

    assert 1 == sum(taken)


async def test_the_holder_keeps_it_for_as_long_as_it_beats(lease: NewLease, clock: ManualClock) -> None:
    one, other = lease("one"), lease("other")
    for _ in range(10):
        assert await one.take()
        assert not await other.take()
        await clock.advance(LASTS / 3)


async def test_when_the_beat_stands_still_another_one_takes_over(lease: NewLease, clock: ManualClock) -> None:
    one, other = lease("one"), lease("other")
    await one.take()
    assert not await other.take()
    await clock.advance(LASTS - 0.1)
    assert not await other.take()
    await clock.advance(0.1)

    assert not one.is_held
    assert await other.take()
    assert not await one.take()


async def test_who_has_just_come_waits_as_long_as_everyone(lease: NewLease, clock: ManualClock) -> None:
    await lease("one").take()
    await clock.advance(10 * LASTS)

    assert not await lease("a newcomer").take()


async def test_clocks_that_differ_by_hours_do_not_matter(lease: NewLease) -> None:
    here, there = ManualClock(monotonic=0), ManualClock(monotonic=1e6)
    one, other = lease("one", here), lease("other", there)
    await one.take()

    assert not await other.take()
    await there.advance(LASTS / 2)
    await one.take()
    await there.advance(LASTS / 2)
    assert not await other.take()


async def test_of_many_that_saw_the_same_beat_stand_still_one_takes_over(lease: NewLease, clock: ManualClock) -> None:
    await lease("dead").take()
    others = [lease(f"replica-{number}") for number in range(10)]
    await asyncio.gather(*(other.take() for other in others))
    await clock.advance(LASTS)

    assert 1 == sum(await asyncio.gather(*(other.take() for other in others)))


async def test_what_was_released_is_free_at_once(lease: NewLease) -> None:
    one, other = lease("one"), lease("other")
    await one.take()
    await other.release()
    assert not await other.take()
    await one.release()

    assert await other.take()


class Job:
    """Works until it is cancelled, and says where."""

    def __init__(self) -> None:
        self.places: list[str] = []

    def has_gone_on(self, place: str) -> bool:
        """Whether it is done elsewhere now."""
        return self.places not in ([], [place])

    async def __call__(self, place: str) -> None:
        self.places.append(place)
        try:
            await asyncio.Event().wait()
        finally:
            self.places.remove(place)


@asynccontextmanager
async def running(jobs: dict[str, Coroutine[Any, Any, None]]) -> AsyncIterator[dict[str, asyncio.Task[None]]]:
    tasks = {name: asyncio.create_task(job) for name, job in jobs.items()}
    try:
        yield tasks
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


async def in_time(clock: ManualClock, condition: Callable[[], bool]) -> None:
    """Let time go on until the condition holds."""

    async def holds() -> bool:
        await clock.advance(1)
        return condition()

    await eventually(holds)


async def test_a_job_runs_at_one_replica_and_goes_on_at_another(lease: NewLease, clock: ManualClock) -> None:
    job = Job()
    async with running({name: lease(name).run(partial(job, name)) for name in ("a", "b", "c")}) as replicas:
        for left in (2, 1):
            await in_time(clock, lambda: len(job.places) == 1)
            (place,) = job.places
            replicas.pop(place).cancel()
            await in_time(clock, partial(job.has_gone_on, place))

            assert 1 == len(job.places)
            assert left == len(replicas)


async def test_a_job_that_loses_its_lease_is_cancelled(lease: NewLease, clock: ManualClock, database: Database) -> None:
    job = Job()
    async with running({"a": lease("a").run(partial(job, "a"))}):
        await in_time(clock, lambda: job.places == ["a"])
        await database.transaction(lambda tx: tx.execute("UPDATE atoll_leases SET holder = 'thief'"))
        await in_time(clock, lambda: job.places == [])


async def test_a_lease_that_nobody_can_write_is_kept_while_it_lasts(clock: ManualClock, postgres_url: str) -> None:
    job = Job()
    async with postgres_relay(postgres_url) as relay:
        async with open_database(postgres_url) as database:
            await database.migrate([Migration(1, "nothing", "SELECT 1")])
        async with PostgresDatabase(parse_address(relay.url), patience=0.1) as database:
            lease = Lease(database, "sweeping", holder="a", clock=clock)
            async with running({"a": lease.run(partial(job, "a"))}):
                await in_time(clock, lambda: job.places == ["a"])
                relay.is_away = True
                relay.lose_all()
                for _ in range(2):
                    await clock.advance(LASTS / 3)
                assert ["a"] == job.places
                await in_time(clock, lambda: job.places == [])
                relay.is_away = False
                await in_time(clock, lambda: job.places == ["a"])


async def test_what_a_job_raises_is_raised_and_the_lease_is_free(lease: NewLease) -> None:
    async def fails() -> None:
        raise ValueError("of its own")

    with pytest.raises(ValueError, match="of its own"):
        await lease("one").run(fails)
    assert await lease("other").take()


async def test_a_job_that_ends_has_ended(lease: NewLease) -> None:
    async def ends() -> None:
        return

    await lease("one").run(ends)

    assert await lease("other").take()


async def test_a_full_disk_ends_no_service(database: Database, clock: ManualClock) -> None:
    full, worked = FullDatabase(database), asyncio.Event()

    async def job() -> None:
        worked.set()

    running = asyncio.create_task(Lease(full, "sweeping", holder="one", clock=clock).run(job))
    await eventually(lambda: clock.sleepers or running.done())
    full.is_full = False
    await clock.advance(LASTS / 3)
    await eventually(running.done)

    assert running.exception() is None
    assert worked.is_set()
