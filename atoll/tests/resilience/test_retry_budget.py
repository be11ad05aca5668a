"""The retry budget: Finagle's example, and a model that remembers everything."""

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from atoll.resilience import RetryBudget, RetryBudgetPolicy
from atoll.testing.clock import ManualClock

NO_FLOOR = RetryBudgetPolicy(min_per_second=0.0)


def test_finagle_twenty_percent_are_one_retry_for_every_five_calls() -> None:
    """ "percentCanRetry = 0.2 means that 20 % of the total requests can be retried" """
    budget = RetryBudget(NO_FLOOR, clock=ManualClock())
    granted = []
    for _ in range(100):
        budget.deposit()
        granted.append(budget.try_withdraw())

    assert sum(granted) == 20
    assert budget.refused == 80


def test_finagle_a_client_with_few_calls_has_a_floor() -> None:
    """ "minRetriesPerSec: the minimum rate of retries allowed in order to accommodate clients that have just
    started issuing requests or do not issue many" """
    budget = RetryBudget(RetryBudgetPolicy(ratio=0.0, min_per_second=10.0, window=10.0), clock=ManualClock())

    assert sum(budget.try_withdraw() for _ in range(1000)) == 100


async def test_what_was_put_in_is_forgotten() -> None:
    clock = ManualClock()
    budget = RetryBudget(NO_FLOOR, clock=clock)
    for _ in range(50):
        budget.deposit()
    assert budget.balance == 10.0

    await clock.advance(10.0)
    assert budget.balance == 0.0


async def test_the_floor_comes_back() -> None:
    clock = ManualClock()
    budget = RetryBudget(RetryBudgetPolicy(ratio=0.0, min_per_second=1.0), clock=clock)
    while budget.try_withdraw():
        pass

    await clock.advance(10.0)
    assert budget.balance == 10.0


@pytest.mark.parametrize("wrong", [{"ratio": -0.1}, {"min_per_second": -1.0}, {"window": 0.0}])
def test_a_budget_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="budget"):
        RetryBudgetPolicy(**wrong)


class BudgetMachine(RuleBasedStateMachine):
    """Whatever comes in whatever order, there are no more retries than it allows."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.loop = asyncio.new_event_loop()
        self.deposits: list[float] = []
        self.withdrawals: list[float] = []

    @initialize(ratio=st.sampled_from([0.0, 0.1, 0.2, 1.0]), floor=st.sampled_from([0.0, 0.2, 1.0]))
    def make(self, ratio: float, floor: float) -> None:
        self.policy = RetryBudgetPolicy(ratio=ratio, min_per_second=floor)
        self.budget = RetryBudget(self.policy, clock=self.clock)

    @rule(calls=st.integers(1, 30))
    def call(self, calls: int) -> None:
        for _ in range(calls):
            self.budget.deposit()
            self.deposits.append(self.clock.monotonic())

    @rule(retries=st.integers(1, 30))
    def retry(self, retries: int) -> None:
        for _ in range(retries):
            allowed = self.budget.balance >= 1.0
            granted = self.budget.try_withdraw()
            assert granted == allowed
            if granted:
                self.withdrawals.append(self.clock.monotonic())
                assert self._in_window(self.withdrawals) <= (
                    self.policy.ratio * self._in_window(self.deposits) + self.policy.min_per_second * 10.0 + 1e-6
                )

    def _in_window(self, moments: list[float]) -> int:
        """How many are in the last ten slots, of a second each."""
        return sum(int(moment) > int(self.clock.monotonic()) - 10 for moment in moments)

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 4.0, 20.0]))
    def wait(self, seconds: float) -> None:
        self.loop.run_until_complete(self.clock.advance(seconds))

    @invariant()
    def altogether_they_are_within_the_budget(self) -> None:
        windows = self.clock.monotonic() / (self.policy.window - 1.0) + 1
        floor = self.policy.min_per_second * self.policy.window * windows

        assert len(self.withdrawals) <= self.policy.ratio * len(self.deposits) + floor + 1e-6

    def teardown(self) -> None:
        self.loop.close()


TestBudgetMachine = BudgetMachine.TestCase
TestBudgetMachine.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
