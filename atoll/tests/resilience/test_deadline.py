"""Deadlines: kept, handed inwards, never lengthened."""

import asyncio

import pytest

from atoll.resilience import Deadline, DeadlineExceededError, deadline
from atoll.testing.clock import ManualClock


async def test_a_body_that_takes_too_long_is_cancelled() -> None:
    clock = ManualClock()
    was_cancelled = False

    async def work() -> None:
        nonlocal was_cancelled
        async with Deadline.within(2.0, clock):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                was_cancelled = True
                raise

    task = asyncio.create_task(work())
    await clock.advance(1.9)
    assert not task.done()

    await clock.advance(0.2)
    with pytest.raises(DeadlineExceededError):
        await task
    assert was_cancelled


async def test_no_work_begins_after_it() -> None:
    clock = ManualClock()
    late = Deadline.within(1.0, clock)
    await clock.advance(1.0)

    assert (late.passed, late.remaining) == (True, 0.0)
    with pytest.raises(DeadlineExceededError):
        async with late:
            pytest.fail("the work began")


async def test_the_sooner_of_two_deadlines_counts() -> None:
    clock = ManualClock()
    near, far = Deadline.within(1.0, clock), Deadline.within(5.0, clock)
    assert near.sooner(far) is far.sooner(near) is near

    async def work() -> None:
        async with near, far:
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await clock.advance(1.0)
    with pytest.raises(DeadlineExceededError):
        await task


async def test_it_decorates_any_async_function() -> None:
    clock = ManualClock()

    @deadline(1.0, clock=clock)
    async def nap(seconds: float) -> str:
        await clock.sleep(seconds)
        return "rested"

    short, long = asyncio.create_task(nap(0.5)), asyncio.create_task(nap(5.0))
    await clock.advance(1.0)

    assert await short == "rested"
    with pytest.raises(DeadlineExceededError):
        await long


async def test_one_deadline_may_bound_several_tasks() -> None:
    clock = ManualClock()
    shared = Deadline.within(1.0, clock)

    async def work() -> None:
        async with shared:
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(work()) for _ in range(3)]
    await clock.advance(1.0)

    assert all(isinstance(task.exception(), DeadlineExceededError) for task in tasks)
    assert clock.sleepers == 0


async def test_a_cancellation_from_outside_stays_one() -> None:
    async def work() -> None:
        async with Deadline.within(60.0):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
