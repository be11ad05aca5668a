"""A short trigger must not leave a lasting outage: retries within a budget recover, without one they do not.

After N. Bronson et al., "Metastable Failures in Distributed Systems" (HotOS 2021): a server that can do 200
requests a second is offered 120, and stands still for a moment. Everyone who waited tries again; the server
works off requests whose callers have given up, and so the next ones have to give up too.
"""

import asyncio
from collections import deque

import pytest

from atoll.resilience import Deadline, DeadlineExceededError, Retry, RetryBudget, RetryBudgetPolicy, RetryPolicy
from atoll.testing.clock import ManualClock

SERVICE_TIME = 0.005
OFFERED_EVERY = 1 / 120
PATIENCE = 0.2
OUTAGE = (2.0, 3.5)
END = 15.0


class Server:
    """Works off one request after the other, first come, first served, whether or not anyone still waits."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._queue: deque[asyncio.Future[None]] = deque()
        self._arrived = asyncio.Event()

    async def ask(self) -> None:
        answer = asyncio.get_running_loop().create_future()
        self._queue.append(answer)
        self._arrived.set()
        await answer

    async def work(self) -> None:
        while True:
            while not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
            if OUTAGE[0] <= self._clock.monotonic() < OUTAGE[1]:
                await self._clock.sleep(OUTAGE[1] - self._clock.monotonic())
            await self._clock.sleep(SERVICE_TIME)
            answer = self._queue.popleft()
            if not answer.done():
                answer.set_result(None)


async def share_of_good_calls(budget: RetryBudget | None, clock: ManualClock) -> tuple[float, float]:
    """Of the calls begun before the outage, and of those begun in the last three seconds."""
    server = Server(clock)
    retry = Retry(
        on=DeadlineExceededError, policy=RetryPolicy(max_attempts=5, max_backoff=0.02), budget=budget, clock=clock
    )
    outcomes: list[tuple[float, bool]] = []

    async def attempt() -> None:
        async with Deadline.within(PATIENCE, clock):
            await server.ask()

    async def call() -> None:
        began = clock.monotonic()
        try:
            await retry.call(attempt)
        except DeadlineExceededError:
            outcomes.append((began, False))
        else:
            outcomes.append((began, True))

    async def offer() -> None:
        async with asyncio.TaskGroup() as calls:
            while clock.monotonic() < END:
                calls.create_task(call())
                await clock.sleep(OFFERED_EVERY)

    working, offering = asyncio.create_task(server.work()), asyncio.create_task(offer())
    await clock.advance(END + 3.0)
    for task in (working, offering):
        task.cancel()
    await asyncio.gather(working, offering, return_exceptions=True)
    before = [good for began, good in outcomes if began < OUTAGE[0] - PATIENCE]
    after = [good for began, good in outcomes if began > END - 3.0]
    return sum(before) / len(before), sum(after) / len(after)


@pytest.mark.parametrize("with_budget", [True, False])
async def test_after_the_trigger_it_recovers_with_a_budget_and_only_with_one(with_budget: bool) -> None:
    clock = ManualClock()
    budget = RetryBudget(RetryBudgetPolicy(min_per_second=1.0), clock=clock) if with_budget else None
    before, after = await share_of_good_calls(budget, clock)

    assert before == 1.0
    assert after > 0.99 if with_budget else after < 0.1
