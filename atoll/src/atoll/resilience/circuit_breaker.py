"""Stops calling what fails, for a while, and finds out carefully whether it works again.

    CLOSED ──failing──▶ OPEN ──its time is over──▶ HALF_OPEN ──the probes went well──▶ CLOSED
                         ▲                             └──they did not──▶ OPEN, for longer

and by an operator's word from anywhere: FORCED_OPEN (nothing passes), DISABLED (everything does), CLOSED again.
"""

import functools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NewType, ParamSpec, TypeVar

from atoll.clock import Clock, SystemClock
from atoll.resilience.errors import CallNotPermittedError
from atoll.resilience.sliding_window import CountWindow, SlidingWindow, TimeWindow

P = ParamSpec("P")
R = TypeVar("R")

_MAX_DOUBLINGS = 30

Permit = NewType("Permit", int)
"""Given out for one call; to be handed back with `record` or `release`, once."""


class CircuitState(StrEnum):
    """The states, in Resilience4j's words."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    FORCED_OPEN = "forced_open"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class CircuitBreakerPolicy:
    """When a breaker opens, for how long, and what closes it. Rates are from 0 to 1, times in seconds.

    It opens at `consecutive_failures` in a row (Envoy's outlier detection: 5; 0 looks at rates only), or when
    of the calls in the window `failure_rate_threshold` failed (Resilience4j, Hystrix: 50 %), or
    `slow_call_rate_threshold` took `slow_call_duration` or longer; rates count from
    `minimum_number_of_calls` on (20, as Hystrix' `requestVolumeThreshold`). The window is the last
    `window_seconds` (10, as Hystrix'), or with `window_calls` that many calls, whatever their age.

    It stays open for `open_time` (5 s, as Hystrix), twice as long each time it opens again without having
    closed, up to `max_open_time`, and up to `jitter` of that longer, so that callers do not come back
    together (Envoy's `max_ejection_time` and its jitter). Then `permitted_calls_in_half_open` calls may pass;
    when all of them have ended, their rates decide.
    """

    consecutive_failures: int = 5
    failure_rate_threshold: float = 0.5
    slow_call_rate_threshold: float = 0.5
    slow_call_duration: float = 2.0
    minimum_number_of_calls: int = 20
    window_seconds: int = 10
    window_calls: int | None = None
    permitted_calls_in_half_open: int = 1
    open_time: float = 5.0
    max_open_time: float = 60.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if not (0 < self.failure_rate_threshold <= 1 and 0 < self.slow_call_rate_threshold <= 1):
            raise ValueError("a rate that opens a breaker is more than 0 and at most 1")
        if min(self.minimum_number_of_calls, self.window_seconds, self.permitted_calls_in_half_open) < 1:
            raise ValueError("a breaker judges by at least one call, in at least one second")
        if self.window_calls is not None and self.window_calls < self.minimum_number_of_calls:
            raise ValueError("window_calls must not be less than minimum_number_of_calls: nothing would ever open")
        if not (0 < self.open_time <= self.max_open_time) or self.jitter < 0 or self.consecutive_failures < 0:
            raise ValueError("open_time is more than 0 and at most max_open_time; nothing is negative")

    def window(self) -> SlidingWindow:
        """An empty window, as the policy wants it."""
        return TimeWindow(self.window_seconds) if self.window_calls is None else CountWindow(self.window_calls)


DEFAULT_CIRCUIT_BREAKER = CircuitBreakerPolicy()


@dataclass(frozen=True, slots=True)
class StateChange:
    """A breaker went from one state to another; `reason` is for people, `open_for` in seconds when it opened."""

    name: str
    before: CircuitState
    after: CircuitState
    reason: str
    open_for: float = 0.0


_CLOSED = CircuitState.CLOSED
_DISABLED = CircuitState.DISABLED
"""Asked for in each call: a name of ours is found sooner than a member of an enumeration."""


def _always() -> bool:
    return True


def _every_exception(error: BaseException) -> bool:
    return isinstance(error, Exception)


def _nobody(_: StateChange) -> None:
    pass


class CircuitBreaker:
    """Protects one callee: `@breaker` on an async function, `async with breaker.guard():`, or by hand.

    By hand: `permit = breaker.acquire()`, then `record(permit, failed=…, seconds=…)` when the call has ended,
    or `release(permit)` when it never came to anything (cancelled). A call that was permitted in an earlier
    state says nothing about this one and is not counted.

    `is_failure` tells which errors count; by default all but cancellation. An error that does not count is a
    success: the callee answered. `may_open` is asked before it opens; as long as it says no, calls go on
    being counted and permitted. `on_change` is told of every change of state. For one event loop; each step
    takes constant time.
    """

    def __init__(
        self,
        policy: CircuitBreakerPolicy = DEFAULT_CIRCUIT_BREAKER,
        *,
        name: str = "",
        is_failure: Callable[[BaseException], bool] = _every_exception,
        may_open: Callable[[], bool] = _always,
        on_change: Callable[[StateChange], None] = _nobody,
        clock: Clock | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.policy = policy
        self.name = name
        self.state = CircuitState.CLOSED
        self.open_until = 0.0
        """When probes may pass, as a moment of the clock's; of no meaning unless OPEN."""
        self._is_failure = is_failure
        self._may_open = may_open
        self._on_change = on_change
        self._clock = clock or SystemClock()
        self._chance = chance or random.Random()  # noqa: S311 - jitter is no secret
        self._slow_call_duration = policy.slow_call_duration
        self._window = policy.window()
        self._failures_in_row = 0
        self._opened_in_row = 0
        self._probes = 0
        self._permit = Permit(1)
        """The one that is given out now: another one in each state, so that what is late is known by it."""

    # Asking.

    @property
    def permits(self) -> bool:
        """Whether a call would be let through now."""
        match self.state:
            case CircuitState.CLOSED | CircuitState.DISABLED:
                return True
            case CircuitState.OPEN:
                return self._clock.monotonic() >= self.open_until
            case CircuitState.HALF_OPEN:
                return self._probes < self.policy.permitted_calls_in_half_open
            case _:
                return False

    @property
    def failure_rate(self) -> float | None:
        """The share of calls in the window that failed; None while there are too few to say."""
        return self._rate(self._window.failures)

    @property
    def slow_call_rate(self) -> float | None:
        """The share of calls in the window that were slow; None while there are too few to say."""
        return self._rate(self._window.slow_calls)

    # A call.

    def try_acquire(self) -> Permit | None:
        """Permission for one call, or None."""
        if self.state is _CLOSED:
            return self._permit
        if not self.permits:
            return None
        if self.state is CircuitState.OPEN:
            self._go(CircuitState.HALF_OPEN, "its time is over")
        if self.state is CircuitState.HALF_OPEN:
            self._probes += 1
        return self._permit

    def acquire(self) -> Permit:
        """Permission for one call; raises `CallNotPermittedError`."""
        permit = self.try_acquire()
        if permit is None:
            raise self.refusal()
        return permit

    def refusal(self) -> CallNotPermittedError:
        """The error of a call that is not permitted now."""
        wait = self.open_until - self._clock.monotonic() if self.state is CircuitState.OPEN else 0.0
        words = f"the circuit breaker{f' of {self.name}' if self.name else ''} is {self.state.replace('_', '-')}"
        return CallNotPermittedError(words, name=self.name, retry_after=max(0.0, wait))

    def record(self, permit: Permit, *, failed: bool, seconds: float = 0.0, now: float | None = None) -> None:
        """The call has ended, after so many seconds; `now`, if you have just asked the clock."""
        now = self._clock.monotonic() if now is None else now
        if not failed:
            self.succeeded(permit, seconds, now)
        elif permit == self._permit and self.state is not _DISABLED:
            self._window.record(now, failed=True, slow=seconds >= self._slow_call_duration)
            self._failures_in_row += 1
            self._judge()

    def succeeded(self, permit: Permit, seconds: float, now: float) -> None:
        """The call has ended well, after so many seconds, at `now`: `record` for most calls."""
        if permit != self._permit or self.state is _DISABLED:
            return
        window = self._window
        window.record(now, failed=False, slow=seconds >= self._slow_call_duration)
        self._failures_in_row = 0
        if window.failures or window.slow_calls or self.state is not _CLOSED:
            self._judge()

    def release(self, permit: Permit) -> None:
        """The call came to nothing that would say anything about the callee."""
        if permit == self._permit and self.state is CircuitState.HALF_OPEN:
            self._probes -= 1

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """A block that is one call; raises `CallNotPermittedError` before it is entered."""
        permit = self.acquire()
        began = self._clock.monotonic()
        try:
            yield
        except BaseException as error:
            if isinstance(error, Exception):
                self.record(permit, failed=self._is_failure(error), seconds=self._clock.monotonic() - began)
            else:
                self.release(permit)
            raise
        self.record(permit, failed=False, seconds=self._clock.monotonic() - began)

    def __call__(self, function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        @functools.wraps(function)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            async with self.guard():
                return await function(*args, **kwargs)

        return guarded

    # What operators, and others who know better, may do.

    def force_open(self) -> None:
        """Let nothing through until `reset`."""
        self._go(CircuitState.FORCED_OPEN, "by an operator")

    def disable(self) -> None:
        """Let everything through, and count nothing, until `reset`."""
        self._go(CircuitState.DISABLED, "by an operator")

    def reset(self) -> None:
        """Closed, as if nothing had ever happened."""
        self._opened_in_row = 0
        self._go(CircuitState.CLOSED, "by an operator")

    def let_probe(self) -> None:
        """Somebody has seen the callee come back: do not wait for the end of the open time. Only when OPEN."""
        if self.state is CircuitState.OPEN:
            self._go(CircuitState.HALF_OPEN, "it came back")

    # Deciding.

    def _rate(self, count: int) -> float | None:
        self._window.forget_old(self._clock.monotonic())
        calls = self._window.calls
        return count / calls if calls >= self.policy.minimum_number_of_calls else None

    def _judge(self) -> None:
        if self.state is CircuitState.HALF_OPEN:
            self._judge_probes()
        elif (reason := self._reason_to_open()) and self._may_open():
            self._open(reason)

    def _reason_to_open(self) -> str:
        policy, window = self.policy, self._window
        if 0 < policy.consecutive_failures <= self._failures_in_row:
            return f"{self._failures_in_row} failures in a row"
        if window.calls < policy.minimum_number_of_calls:
            return ""
        return self._bad_rate(window)

    def _judge_probes(self) -> None:
        if self._window.calls < self.policy.permitted_calls_in_half_open:
            return
        reason = self._bad_rate(self._window)
        if reason:
            self._open(f"of its probes {reason}")
        else:
            self._opened_in_row = 0
            self._go(CircuitState.CLOSED, "its probes went well")

    def _bad_rate(self, window: SlidingWindow) -> str:
        calls = window.calls
        if window.failures >= self.policy.failure_rate_threshold * calls:
            return f"{window.failures} of {calls} calls failed"
        if window.slow_calls >= self.policy.slow_call_rate_threshold * calls:
            return f"{window.slow_calls} of {calls} calls were slow"
        return ""

    def _open(self, reason: str) -> None:
        policy = self.policy
        open_for = min(policy.max_open_time, policy.open_time * 2.0 ** min(self._opened_in_row, _MAX_DOUBLINGS))
        open_for *= 1.0 + policy.jitter * self._chance.random()
        self._opened_in_row += 1
        self.open_until = self._clock.monotonic() + open_for
        self._go(CircuitState.OPEN, reason, open_for)

    def _go(self, state: CircuitState, reason: str, open_for: float = 0.0) -> None:
        change = StateChange(self.name, self.state, state, reason, open_for)
        self.state = state
        self._permit = Permit(self._permit + 1)
        self._failures_in_row = self._probes = 0
        # probes are judged by their number, so they have a window of their own that no time empties
        probing = state is CircuitState.HALF_OPEN
        self._window = CountWindow(self.policy.permitted_calls_in_half_open) if probing else self.policy.window()
        if change.before is not state:
            self._on_change(change)

    def __repr__(self) -> str:
        return (
            f"<CircuitBreaker {self.name} {self.state}, "
            f"{self._window.failures} of {self._window.calls} failed, {self._window.slow_calls} slow>"
        )
