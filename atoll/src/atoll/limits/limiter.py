"""The port to where limits are counted, and the counter in this process's memory."""

from collections import OrderedDict
from typing import Protocol

from atoll.clock import Clock
from atoll.limits.policy import Decision, LimitPolicy
from atoll.limits.sliding_window import SlidingWindow


class Limiter(Protocol):
    """Counts what callers use. Deciding costs no I/O: an adapter that shares its counts does so in the background."""

    def take(self, policy: LimitPolicy, caller: str, cost: int = 1) -> Decision:
        """Let `caller` use `cost` units of `policy`, or refuse; a refusal uses nothing."""


class LocalLimiter:
    """Counts in this process's memory, for at most `max_callers` callers of each policy at once.

    A caller beyond that number shares one window with all others beyond it, so that memory stays bounded
    and no quota is ever exceeded; whoever is quiet for a whole window is forgotten and makes room.
    """

    def __init__(self, clock: Clock, *, max_callers: int = 100_000) -> None:
        self._monotonic = clock.monotonic
        self._max_callers = max_callers
        self._windows: dict[LimitPolicy, OrderedDict[str, SlidingWindow]] = {}
        self._overflow: dict[LimitPolicy, SlidingWindow] = {}

    def take(self, policy: LimitPolicy, caller: str, cost: int = 1) -> Decision:
        now = self._monotonic()
        windows = self._windows.get(policy)
        if windows is None:
            windows = self._windows[policy] = OrderedDict()
        window = windows.get(caller)
        if window is None:
            window = self._new_window(policy, windows, caller, now)
        else:
            windows.move_to_end(caller)
        return window.take(now, cost)

    def _new_window(
        self, policy: LimitPolicy, windows: OrderedDict[str, SlidingWindow], caller: str, now: float
    ) -> SlidingWindow:
        self._make_room(windows, now)
        if len(windows) >= self._max_callers:
            return self._overflow.setdefault(policy, SlidingWindow(policy))
        window = windows[caller] = SlidingWindow(policy)
        return window

    def _make_room(self, windows: OrderedDict[str, SlidingWindow], now: float) -> None:
        """Drop at most two quiet callers, the longest unseen first: every new caller pays for its own place."""
        for _ in range(2):
            oldest = next(iter(windows), None)
            if oldest is None or not windows[oldest].is_empty(now):
                return
            del windows[oldest]
