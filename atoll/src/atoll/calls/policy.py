"""Everything that bounds and protects the calls to one service."""

from dataclasses import dataclass

from atoll.calls.timeouts import DEFAULT_TIMEOUTS, Timeouts
from atoll.resilience.bulkhead import DEFAULT_BULKHEAD, BulkheadPolicy
from atoll.resilience.circuit_breaker import DEFAULT_CIRCUIT_BREAKER, CircuitBreakerPolicy
from atoll.resilience.retry_budget import DEFAULT_RETRY_BUDGET, RetryBudgetPolicy
from atoll.resilience.retry_policy import DEFAULT_RETRY, RetryPolicy


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """One policy for each part; where its numbers come from is written there."""

    timeouts: Timeouts = DEFAULT_TIMEOUTS
    bulkhead: BulkheadPolicy = DEFAULT_BULKHEAD
    retry: RetryPolicy = DEFAULT_RETRY
    retry_budget: RetryBudgetPolicy = DEFAULT_RETRY_BUDGET
    circuit_breaker: CircuitBreakerPolicy = DEFAULT_CIRCUIT_BREAKER


DEFAULT_POLICY = CallPolicy()
