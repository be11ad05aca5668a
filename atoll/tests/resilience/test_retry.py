"""Trying again: how often, when, and for which errors."""

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.resilience import CallNotPermittedError, Retry, RetryBudget, RetryBudgetPolicy, RetryPolicy
from atoll.testing.clock import ManualClock

AT_ONCE = RetryPolicy(initial_backoff=0.0)


class Flaky:
    """Fails so many times, then works."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.failures = failures
        self.error = error or ConnectionError("lost")
        self.calls = 0

    async def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return self.calls


async def test_it_is_tried_again_until_it_works() -> None:
    flaky = Flaky(2)

    assert await Retry(on=ConnectionError, policy=AT_ONCE).call(flaky) == 3


async def test_the_last_error_is_raised_as_it_is() -> None:
    flaky = Flaky(3)

    with pytest.raises(ConnectionError) as caught:
        await Retry(on=ConnectionError, policy=AT_ONCE).call(flaky)

    assert caught.value is flaky.error
    assert flaky.calls == 3


async def test_other_errors_are_not_tried_again() -> None:
    flaky = Flaky(1, KeyError("missing"))

    with pytest.raises(KeyError):
        await Retry(on=(ConnectionError, TimeoutError), policy=AT_ONCE).call(flaky)

    assert flaky.calls == 1


async def test_a_function_may_say_which_errors_are_worth_it() -> None:
    flaky = Flaky(1, OSError(4, "interrupted"))

    assert await Retry(on=lambda error: getattr(error, "errno", 0) == 4, policy=AT_ONCE).call(flaky) == 2


async def test_it_decorates_any_async_function() -> None:
    flaky = Flaky(1)

    @Retry(on=ConnectionError, policy=AT_ONCE)
    async def plus(number: int) -> int:
        return await flaky() + number

    assert await plus(10) == 12


async def test_an_error_that_says_when_to_come_back_is_obeyed() -> None:
    clock = ManualClock()
    flaky = Flaky(1, CallNotPermittedError("open", retry_after=3.0))
    task = asyncio.create_task(Retry(on=CallNotPermittedError, clock=clock).call(flaky))
    await clock.advance(2.9)
    assert flaky.calls == 1

    await clock.advance(0.2)
    assert await task == 2


async def test_without_budget_left_the_first_error_is_the_last() -> None:
    budget = RetryBudget(RetryBudgetPolicy(ratio=0.2, min_per_second=0.0), clock=ManualClock())
    retry = Retry(on=ConnectionError, policy=AT_ONCE, budget=budget)
    calls = 0
    for _ in range(100):
        flaky = Flaky(100)
        with pytest.raises(ConnectionError):
            await retry.call(flaky)
        calls += flaky.calls

    assert calls == 120


@given(attempts=st.integers(1, 2000), seed=st.integers())
def test_pauses_are_jittered_fully_between_nothing_and_a_doubling_bound(attempts: int, seed: int) -> None:
    policy = RetryPolicy(initial_backoff=0.05, max_backoff=2.0)

    pause = policy.pause(attempts, random.Random(seed))  # noqa: S311 - any jitter will do

    assert 0.0 <= pause <= min(2.0, 0.05 * 2.0 ** (min(attempts, 50) - 1))


@pytest.mark.parametrize("wrong", [{"max_attempts": 0}, {"initial_backoff": -1}, {"max_backoff": -1}])
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="attempt"):
        RetryPolicy(**wrong)
