"""Calls that bend and do not break: each part works alone, on any async function.

    breaker = CircuitBreaker(name="geocoder")
    patient = Retry(on=ConnectionError, budget=RetryBudget())

    @patient
    @breaker
    async def locate(address: str) -> Place: ...

`ServiceClient` (`atoll.calls`) has all of them on without being asked.
"""

from atoll.resilience.bulkhead import Bulkhead, BulkheadPolicy
from atoll.resilience.circuit_breaker import CircuitBreaker, CircuitBreakerPolicy, CircuitState, Permit, StateChange
from atoll.resilience.deadline import Deadline, deadline
from atoll.resilience.errors import BulkheadFullError, CallNotPermittedError, CallRefused, DeadlineExceededError
from atoll.resilience.fallback import Outcome, fallback
from atoll.resilience.retry import Retry
from atoll.resilience.retry_budget import RetryBudget, RetryBudgetPolicy
from atoll.resilience.retry_policy import RetryPolicy
from atoll.resilience.sliding_window import CountWindow, SlidingWindow, TimeWindow

__all__ = [
    "Bulkhead",
    "BulkheadFullError",
    "BulkheadPolicy",
    "CallNotPermittedError",
    "CallRefused",
    "CircuitBreaker",
    "CircuitBreakerPolicy",
    "CircuitState",
    "CountWindow",
    "Deadline",
    "DeadlineExceededError",
    "Outcome",
    "Permit",
    "Retry",
    "RetryBudget",
    "RetryBudgetPolicy",
    "RetryPolicy",
    "SlidingWindow",
    "StateChange",
    "TimeWindow",
    "deadline",
    "fallback",
]
