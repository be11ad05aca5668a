"""The port to where several processes share one count, and the count itself, held in one of them."""

from collections import OrderedDict
from typing import Protocol

import msgspec

from atoll.clock import Clock
from atoll.limits.policy import LimitPolicy
from atoll.limits.sliding_window import SLOTS, SlidingWindow


class StoreAway(Exception):
    """The store cannot be asked now; nobody knows whether it has counted what was asked for."""


class Grant(msgspec.Struct, frozen=True, gc=False):
    """What the store has handed out: `units` of a policy, for one caller, for `lease_of(policy)` seconds.

    0 units are a refusal; then `retry_after` is the seconds until what was needed would be free (infinite when it is
    more than the quota). `remaining` is what is left for everybody, `reset` the seconds until all of the quota is free
    again. `slot` says in which slot it was counted, for whoever gives units back.
    """

    units: int
    remaining: int
    reset: float
    retry_after: float = 0.0
    slot: float = 0.0


class QuotaStore(Protocol):
    """Counts for all who share it. Units are taken before they are spent, and count from that moment on.

    For no longer than a lease may they be spent, and the store remembers each for a window and a lease: so in no
    window of the policy is more than its quota spent, however many share it, and whoever of them dies.
    """

    async def take(self, policy: LimitPolicy, caller: str, needed: int, wanted: int) -> Grant:
        """Up to `wanted` units, and at least `needed`, or else none.

        Raises `StoreAway`, within a second.
        """

    async def give_back(self, policy: LimitPolicy, caller: str, slot: float, units: int) -> None:
        """Units that were not spent before their lease ended. Raises `StoreAway`: then they count until they age."""

    async def sharers(self) -> int:
        """How many share the store now, this one included; at least 1. Raises `StoreAway`."""


def lease_of(policy: LimitPolicy) -> float:
    """The seconds that units may wait to be spent: a 64th of the window, so that nobody waits much longer for that."""
    return policy.window / SLOTS


class LocalQuotaStore:
    """A store in this process's memory, for at most `max_callers` callers of each policy at once.

    Callers beyond that share one window, as with `LocalLimiter`.
    """

    def __init__(self, clock: Clock, *, sharers: int = 1, max_callers: int = 100_000) -> None:
        self._clock = clock
        self._sharers = sharers
        self._max_callers = max_callers
        self._windows: dict[LimitPolicy, OrderedDict[str, SlidingWindow]] = {}

    async def take(self, policy: LimitPolicy, caller: str, needed: int, wanted: int) -> Grant:
        now = self._clock.monotonic()
        window = self._window(policy, caller, now)
        free = window.free(now)
        units = min(wanted, free) if free >= needed else 0
        decision = window.take(now, units or needed)
        slot = window.last_slot if units else 0.0
        return Grant(units, decision.remaining, decision.reset, decision.retry_after, slot)

    async def give_back(self, policy: LimitPolicy, caller: str, slot: float, units: int) -> None:
        self._window(policy, caller, self._clock.monotonic()).give_back(slot, units)

    async def sharers(self) -> int:
        return self._sharers

    def _window(self, policy: LimitPolicy, caller: str, now: float) -> SlidingWindow:
        windows = self._windows.setdefault(policy, OrderedDict())
        window = windows.get(caller)
        if window is None:
            for _ in range(2):  # every new caller pays for its own place
                oldest = next(iter(windows), None)
                if oldest is not None and windows[oldest].is_empty(now):
                    del windows[oldest]
            caller = caller if len(windows) < self._max_callers else ""
            window = windows.setdefault(caller, SlidingWindow(policy, lease=lease_of(policy)))
        windows.move_to_end(caller)
        return window
