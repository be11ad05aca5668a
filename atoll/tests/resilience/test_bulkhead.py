"""The bulkhead: places, and who waits for them."""

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from atoll.resilience import Bulkhead, BulkheadFullError, BulkheadPolicy
from atoll.testing.clock import ManualClock


async def test_no_more_calls_are_under_way_than_may_be() -> None:
    bulkhead = Bulkhead(BulkheadPolicy(max_concurrent_calls=3, max_wait=60.0))
    most = 0

    @bulkhead
    async def work() -> None:
        nonlocal most
        most = max(most, bulkhead.in_use)
        await asyncio.sleep(0)

    await asyncio.gather(*(work() for _ in range(50)))

    assert most == 3
    assert (bulkhead.in_use, bulkhead.refused) == (0, 0)


async def test_who_may_not_wait_is_refused_at_once() -> None:
    bulkhead = Bulkhead(BulkheadPolicy(max_concurrent_calls=1, max_wait=0.0), name="payments")
    async with bulkhead:
        with pytest.raises(BulkheadFullError, match="1 calls are under way") as caught:
            await bulkhead.acquire()

    assert caught.value.name == "payments"
    assert bulkhead.refused == 1


async def test_waiting_is_bounded() -> None:
    clock = ManualClock()
    bulkhead = Bulkhead(BulkheadPolicy(max_concurrent_calls=1, max_wait=0.5), clock=clock)
    await bulkhead.acquire()
    waiter = asyncio.create_task(bulkhead.acquire())
    hasty = asyncio.create_task(bulkhead.acquire(at_most=0.1))
    await clock.advance(0.2)
    assert (hasty.done(), waiter.done(), bulkhead.waiting) == (True, False, 1)

    await clock.advance(0.3)
    for task in (hasty, waiter):
        with pytest.raises(BulkheadFullError):
            await task
    assert (bulkhead.in_use, bulkhead.waiting) == (1, 0)


async def test_who_came_first_is_served_first() -> None:
    bulkhead = Bulkhead(BulkheadPolicy(max_concurrent_calls=1, max_wait=60.0))
    await bulkhead.acquire()
    served: list[int] = []

    async def work(number: int) -> None:
        async with bulkhead:
            served.append(number)

    tasks = [asyncio.create_task(work(number)) for number in range(5)]
    await asyncio.sleep(0)
    bulkhead.release()
    await asyncio.gather(*tasks)

    assert served == [0, 1, 2, 3, 4]


def test_a_bulkhead_without_places_is_refused() -> None:
    with pytest.raises(ValueError, match="place"):
        BulkheadPolicy(max_concurrent_calls=0)


class BulkheadMachine(RuleBasedStateMachine):
    """Tasks that come, wait, are cancelled, give up and leave, in any order: no place is ever lost."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock()
        self.tasks: list[asyncio.Task[None]] = []
        self.leave: dict[asyncio.Task[None], asyncio.Event] = {}
        self.inside = 0

    @initialize(places=st.integers(1, 3))
    def make(self, places: int) -> None:
        self.bulkhead = Bulkhead(BulkheadPolicy(max_concurrent_calls=places, max_wait=1.0), clock=self.clock)

    @rule()
    def come(self) -> None:
        leave = asyncio.Event()
        task = self.loop.create_task(self._work(leave))
        self.tasks.append(task)
        self.leave[task] = leave
        self._settle()

    async def _work(self, leave: asyncio.Event) -> None:
        try:
            async with self.bulkhead:
                self.inside += 1
                try:
                    await leave.wait()
                finally:
                    self.inside -= 1
        except BulkheadFullError:
            pass

    @precondition(lambda self: self.tasks)
    @rule(which=st.integers(0, 100), other=st.integers(0, 100), settle_between=st.booleans())
    def one_leaves_and_one_is_cancelled(self, which: int, other: int, settle_between: bool) -> None:
        self.leave[self.tasks[which % len(self.tasks)]].set()
        if settle_between:
            self._settle()
        for task in self.tasks[other % max(1, len(self.tasks)) :][:1]:
            task.cancel()
        self._settle()

    @rule(seconds=st.sampled_from([0.4, 2.0]))
    def wait(self, seconds: float) -> None:
        self.loop.run_until_complete(self.clock.advance(seconds))

    def _settle(self) -> None:
        self.loop.run_until_complete(self.clock.advance(0.0))
        self.tasks = [task for task in self.tasks if not task.done()]

    @invariant()
    def places_are_neither_lost_nor_made(self) -> None:
        if hasattr(self, "bulkhead"):
            assert self.bulkhead.in_use == self.inside <= self.bulkhead.policy.max_concurrent_calls

    @invariant()
    def nobody_waits_while_there_is_a_place(self) -> None:
        if hasattr(self, "bulkhead") and self.bulkhead.waiting:
            assert self.bulkhead.in_use == self.bulkhead.policy.max_concurrent_calls

    def teardown(self) -> None:
        for task in self.tasks:
            task.cancel()
        self._settle()
        self.loop.close()


TestBulkheadMachine = BulkheadMachine.TestCase
TestBulkheadMachine.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
