"""Calling an async function again when it failed."""

import functools
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeAlias, TypeVar

from atoll.clock import Clock, SystemClock
from atoll.resilience.retry_budget import RetryBudget
from atoll.resilience.retry_policy import DEFAULT_RETRY, RetryPolicy

P = ParamSpec("P")
R = TypeVar("R")

Retryable: TypeAlias = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool]
"""Which errors are worth another attempt: types of them, or a function that says so."""


class Retry:
    """`@Retry(on=ConnectionError)`, or `await retry.call(function, …)`: attempts by a policy, within a budget.

    Only for what may be done twice: nobody but you knows whether that is so, so `on` has no default. An
    error's own `retry_after` (seconds), if it has one, is obeyed when it is the longer pause. The last error
    is raised as it is. Retry at one layer only: attempts of attempts multiply.
    """

    def __init__(
        self,
        *,
        on: Retryable,
        policy: RetryPolicy = DEFAULT_RETRY,
        budget: RetryBudget | None = None,
        clock: Clock | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.policy = policy
        self.budget = budget
        self._is_retryable = _predicate(on)
        self._clock = clock or SystemClock()
        self._chance = chance or random.Random()  # noqa: S311 - jitter is no secret

    async def call(self, function: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        """What `function` returns, at the first attempt that succeeds."""
        if self.budget is not None:
            self.budget.deposit()
        attempts = 0
        while True:
            attempts += 1
            try:
                return await function(*args, **kwargs)
            except Exception as error:
                if not self._may_try_again(error, attempts):
                    raise
                pause = max(self.policy.pause(attempts, self._chance), getattr(error, "retry_after", None) or 0.0)
            await self._clock.sleep(pause)

    def __call__(self, function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        @functools.wraps(function)
        async def retried(*args: P.args, **kwargs: P.kwargs) -> R:
            return await self.call(function, *args, **kwargs)

        return retried

    def _may_try_again(self, error: Exception, attempts: int) -> bool:
        if attempts >= self.policy.max_attempts or not self._is_retryable(error):
            return False
        return self.budget is None or self.budget.try_withdraw()

    def __repr__(self) -> str:
        return f"<Retry {self.policy}, {self.budget or 'no budget'}>"


def _predicate(on: Retryable) -> Callable[[Exception], bool]:
    if isinstance(on, type | tuple):
        types: Any = on
        return lambda error: isinstance(error, types)
    return on
