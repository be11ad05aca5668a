"""What the system file may say about calls: `[calls]`, and `[calls.to.products]` for one target.

[services.orders.calls] and [services.orders.calls.to.products] say it for the calls of one service, and win.
"""

from dataclasses import replace
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from atoll.calls.policy import DEFAULT_POLICY, CallPolicy

Seconds = Annotated[float, Meta(ge=0, le=3600)]
Count = Annotated[int, Meta(ge=1)]
Rate = Annotated[float, Meta(gt=0, le=1)]

PARTS = {
    "timeouts": {"connect": "connect_timeout", "attempt": "attempt_timeout", "total": "total_timeout"},
    "bulkhead": {"max_concurrent_calls": "max_concurrent_calls", "max_wait": "max_wait"},
    "retry": {name: name for name in ("max_attempts", "initial_backoff", "max_backoff")},
    "retry_budget": {"ratio": "retry_ratio", "min_per_second": "min_retries_per_second"},
    "circuit_breaker": {
        name: name
        for name in (
            *("consecutive_failures", "failure_rate_threshold", "slow_call_rate_threshold", "slow_call_duration"),
            *("minimum_number_of_calls", "window_seconds", "window_calls", "permitted_calls_in_half_open"),
            *("open_time", "max_open_time"),
        )
    },
}
"""For each part of a `CallPolicy`, which setting gives which of its fields."""


class TargetCallSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings for calls; times in seconds, rates from 0 to 1. What is not given is as everywhere else."""

    connect_timeout: Seconds | None = None
    attempt_timeout: Seconds | None = None
    total_timeout: Seconds | None = None
    max_concurrent_calls: Count | None = None
    max_wait: Seconds | None = None
    max_attempts: Count | None = None
    initial_backoff: Seconds | None = None
    max_backoff: Seconds | None = None
    retry_ratio: Annotated[float, Meta(ge=0)] | None = None
    min_retries_per_second: Annotated[float, Meta(ge=0)] | None = None
    consecutive_failures: Annotated[int, Meta(ge=0)] | None = None
    failure_rate_threshold: Rate | None = None
    slow_call_rate_threshold: Rate | None = None
    slow_call_duration: Seconds | None = None
    minimum_number_of_calls: Count | None = None
    window_seconds: Count | None = None
    window_calls: Count | None = None
    permitted_calls_in_half_open: Count | None = None
    open_time: Seconds | None = None
    max_open_time: Seconds | None = None

    def over(self, policy: CallPolicy) -> CallPolicy:
        """`policy` with what is said here in its place; ValueError for what does not go together."""
        changed = {part: self._changed(getattr(policy, part), names) for part, names in PARTS.items()}
        return replace(policy, **changed)

    def _changed(self, part: Any, names: dict[str, str]) -> Any:
        given = {field: getattr(self, name) for field, name in names.items() if getattr(self, name) is not None}
        return replace(part, **given) if given else part


class CallSettings(TargetCallSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings for all calls of a service, and by name for those to one target."""

    to: dict[str, TargetCallSettings] = {}

    def policy_for(self, target: str) -> CallPolicy:
        """How `target` is to be called."""
        policy = self.over(DEFAULT_POLICY)
        return self.to[target].over(policy) if target in self.to else policy


def sensible(settings: CallSettings) -> None:
    """ValueError with a sentence for settings that do not go together."""
    for target in ("", *settings.to):
        settings.policy_for(target)
