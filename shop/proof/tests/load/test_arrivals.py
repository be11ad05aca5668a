"""When actions begin: on schedule, however slow the answers are, and never after the end."""

import asyncio

import pytest

from atoll.testing.clock import ManualClock
from shop_proof.load.arrivals import Arrivals


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def all_of(arrivals: Arrivals, clock: ManualClock, work: float) -> list[tuple[float, float]]:
    """What one hand does that works so many seconds on each: when each was due, and when it began."""
    seen: list[tuple[float, float]] = []
    while (due := await arrivals.next()) is not None:
        seen.append((due, clock.monotonic()))
        await clock.sleep(work)
    return seen


async def test_with_a_rate_they_are_due_at_equal_distances(clock: ManualClock) -> None:
    arrivals = Arrivals(clock, rate=4, seconds=1, count=100)
    hand = asyncio.create_task(all_of(arrivals, clock, work=0.1))
    await clock.advance(2)

    assert [(0.0, 0.0), (0.25, 0.25), (0.5, 0.5), (0.75, 0.75)] == await hand
    assert 0 == arrivals.missed


async def test_who_comes_late_was_due_earlier_all_the_same(clock: ManualClock) -> None:
    arrivals = Arrivals(clock, rate=4, seconds=1, count=100)
    hand = asyncio.create_task(all_of(arrivals, clock, work=0.6))
    await clock.advance(3)

    assert [(0.0, 0.0), (0.25, 0.6)] == await hand
    assert 2 == arrivals.missed


async def test_without_a_rate_the_next_begins_when_the_last_has_ended(clock: ManualClock) -> None:
    arrivals = Arrivals(clock, rate=None, seconds=1, count=100)
    hand = asyncio.create_task(all_of(arrivals, clock, work=0.4))
    await clock.advance(3)

    assert [(0.0, 0.0), (0.4, 0.4), (0.8, 0.8)] == await hand
    assert (3, 0) == (arrivals.started, arrivals.missed)


async def test_there_are_never_more_than_asked_for(clock: ManualClock) -> None:
    arrivals = Arrivals(clock, rate=100, seconds=60, count=3)
    hands = asyncio.gather(*(all_of(arrivals, clock, work=0.001) for _ in range(5)))
    await clock.advance(60)

    assert 3 == sum(map(len, await hands))
    assert 0 == arrivals.missed


async def test_a_stop_ends_the_wait_for_the_next_one(clock: ManualClock) -> None:
    arrivals = Arrivals(clock, rate=0.1, seconds=60, count=100)
    hand = asyncio.create_task(all_of(arrivals, clock, work=0.1))
    await clock.advance(1)
    arrivals.stop()

    assert [(0.0, 0.0)] == await hand
    assert arrivals.is_over
