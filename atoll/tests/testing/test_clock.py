"""The clock that tests drive."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from atoll.clock import Clock
from atoll.testing.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_it_is_a_clock(clock: ManualClock) -> None:
    as_clock: Clock = clock

    assert as_clock.now().tzinfo is UTC


def test_time_stands_still(clock: ManualClock) -> None:
    assert (clock.now(), clock.monotonic()) == (clock.now(), clock.monotonic())


async def test_advancing_moves_both_clocks(clock: ManualClock) -> None:
    before = clock.now()
    await clock.advance(12.5)

    assert (timedelta(seconds=12.5), 12.5) == (clock.now() - before, clock.monotonic())


async def test_a_sleeper_wakes_when_its_time_has_come_and_not_before(clock: ManualClock) -> None:
    sleeping = asyncio.create_task(clock.sleep(10))
    await clock.advance(9.999)
    too_early = sleeping.done()
    await clock.advance(0.001)

    assert (False, True) == (too_early, sleeping.done())


async def test_sleepers_wake_in_order_each_at_its_own_moment(clock: ManualClock) -> None:
    woken: list[tuple[str, float]] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleep("late", 30))
        group.create_task(sleep("early", 10))
        group.create_task(sleep("also early", 10))
        await clock.advance(60)

    assert [("early", 10), ("also early", 10), ("late", 30)] == woken


async def test_one_that_sleeps_in_a_loop_wakes_as_often_as_in_real_time(clock: ManualClock) -> None:
    beats: list[float] = []

    async def beat() -> None:
        while True:
            await clock.sleep(5)
            beats.append(clock.monotonic())

    beating = asyncio.create_task(beat())
    await clock.advance(17)
    beating.cancel()

    assert [5, 10, 15] == beats


@pytest.mark.parametrize("seconds", [0, -1])
async def test_sleeping_no_time_only_yields(clock: ManualClock, seconds: float) -> None:
    await clock.sleep(seconds)

    assert (0, 0) == (clock.monotonic(), clock.sleepers)


async def test_a_cancelled_sleeper_is_forgotten(clock: ManualClock) -> None:
    sleeping = asyncio.create_task(clock.sleep(10))
    await clock.wait_for_sleepers()
    sleeping.cancel()
    await asyncio.gather(sleeping, return_exceptions=True)

    assert 0 == clock.sleepers
    await clock.advance(20)


async def test_waiting_for_sleepers_returns_when_so_many_sleep(clock: ManualClock) -> None:
    waiting = asyncio.create_task(clock.wait_for_sleepers(2))
    first = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    one_is_not_enough = not waiting.done()
    second = asyncio.create_task(clock.sleep(1))
    await waiting

    assert one_is_not_enough
    await clock.advance(1)
    await asyncio.gather(first, second)


async def test_time_does_not_go_back(clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="Time does not go back"):
        await clock.advance(-1)


async def test_setting_the_wall_clock_leaves_the_other_alone(clock: ManualClock) -> None:
    clock.set_now(datetime(2020, 1, 1, tzinfo=UTC))

    assert (datetime(2020, 1, 1, tzinfo=UTC), 0.0) == (clock.now(), clock.monotonic())
