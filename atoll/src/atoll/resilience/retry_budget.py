"""How many retries all calls together may make, so that retries cannot become the load that keeps a service down."""

import math
from dataclasses import dataclass

from atoll.clock import Clock, SystemClock

_SLOTS = 10
"""Parts of the window that expire one after the other, as in Finagle's `WindowedAdder`."""


@dataclass(frozen=True, slots=True)
class RetryBudgetPolicy:
    """`ratio` retries for each call, and `min_per_second` besides, over `window` seconds.

    The figures are Finagle's `RetryBudget` (20 %, 10 a second, 10 s), which Linkerd has too: with many calls
    at most 1.2 times the load arrives when everything fails, and with few calls a retry is still possible.
    """

    ratio: float = 0.2
    min_per_second: float = 10.0
    window: float = 10.0

    def __post_init__(self) -> None:
        if self.ratio < 0 or self.min_per_second < 0 or self.window <= 0:
            raise ValueError("a retry budget has a window, and no share or floor below nothing")


DEFAULT_RETRY_BUDGET = RetryBudgetPolicy()


class RetryBudget:
    """Tokens: each call puts `ratio` of one in, each retry takes a whole one out, and both are forgotten.

    In any window there are at most `ratio` times the calls, plus `min_per_second` times `window`, retries.
    Share one between everything that calls the same service. Each step takes constant time.
    """

    __slots__ = (
        "_balance",
        "_monotonic",
        "_ratio",
        "_reserve",
        "_slot",
        "_slot_ends",
        "_slot_seconds",
        "_slots",
        "policy",
        "refused",
    )

    def __init__(self, policy: RetryBudgetPolicy = DEFAULT_RETRY_BUDGET, *, clock: Clock | None = None) -> None:
        self.policy = policy
        self.refused = 0
        """How many retries there was no token for so far; never goes back."""
        self._monotonic = (clock or SystemClock()).monotonic
        self._ratio = policy.ratio
        self._reserve = policy.min_per_second * policy.window
        self._slots = [0.0] * _SLOTS
        self._slot_seconds = policy.window / _SLOTS
        self._balance = 0.0
        self._slot = 0
        self._slot_ends = -math.inf

    def deposit(self, now: float | None = None) -> None:
        """A call begins; `now`, if you have just asked the clock."""
        if (self._monotonic() if now is None else now) >= self._slot_ends:
            self._forget_old()
        self._slots[self._slot % _SLOTS] += self._ratio
        self._balance += self._ratio

    def try_withdraw(self) -> bool:
        """Whether a retry may be made; it is counted as made."""
        if self.balance < 1.0:
            self.refused += 1
            return False
        self._slots[self._slot % _SLOTS] -= 1.0
        self._balance -= 1.0
        return True

    @property
    def balance(self) -> float:
        """Retries that could be made now; whole ones count."""
        self._forget_old()
        return round(self._reserve + self._balance, 6)  # so that five fifths are one

    def _forget_old(self) -> None:
        now = int(self._monotonic() // self._slot_seconds)
        self._slot_ends = (now + 1) * self._slot_seconds
        if now == self._slot:
            return
        for slot in range(self._slot + 1, min(now, self._slot + _SLOTS) + 1):
            self._slots[slot % _SLOTS] = 0.0
        self._slot = now
        self._balance = sum(self._slots)  # anew, so that no rounding gathers

    def __repr__(self) -> str:
        return f"<RetryBudget {self.balance:.1f} retries left>"
