"""A sliding window that never lets more than its quota through, in bounded memory."""

from atoll.limits.policy import Decision, LimitPolicy

SLOTS = 64
"""A window is counted in this many slots, so it forgets at most a 64th of its length late, and never early."""


class SlidingWindow:
    """What one caller has used of one policy.

    Costs are gathered in slots of `window / SLOTS` seconds, and a slot is forgotten only when its *last*
    moment is a whole window ago. So the sum over any window is at most the quota (the two-bucket estimate
    many limiters use is not that strict), a caller waits at most one slot longer than an exact log of
    requests would make it wait, and memory is bounded however large the quota is.
    """

    __slots__ = ("_policy", "_slots", "_used")

    def __init__(self, policy: LimitPolicy) -> None:
        self._policy = policy
        self._slots: list[tuple[float, int]] = []
        """When each slot is forgotten, and what was used in it; the oldest first."""
        self._used = 0

    def take(self, now: float, cost: int = 1) -> Decision:
        """Use `cost` units at the monotonic moment `now`, if they are free; refusals cost nothing."""
        slots, quota = self._slots, self._policy.quota
        if slots and slots[0][0] <= now:
            self._forget(now)
        allowed = self._used + cost <= quota
        if allowed and cost:
            self._add(now, cost)
        reset = slots[-1][0] - now if slots else 0.0
        return Decision(self._policy, allowed, quota - self._used, reset, 0.0 if allowed else self._wait_for(now, cost))

    def is_empty(self, now: float) -> bool:
        """Whether nothing is remembered any more, so that the window can be dropped."""
        self._forget(now)
        return not self._slots

    def _forget(self, now: float) -> None:
        while self._slots and self._slots[0][0] <= now:
            self._used -= self._slots.pop(0)[1]

    def _add(self, now: float, cost: int) -> None:
        slots, window = self._slots, self._policy.window
        if slots and slots[-1][0] > now + window:
            free_at, gathered = slots[-1]
            slots[-1] = (free_at, gathered + cost)
        else:
            slot_seconds = window / SLOTS
            slots.append(((now // slot_seconds + 1) * slot_seconds + window, cost))
        self._used += cost

    def _wait_for(self, now: float, cost: int) -> float:
        missing = self._used + cost - self._policy.quota
        for free_at, gathered in self._slots:
            missing -= gathered
            if missing <= 0:
                return free_at - now
        return float("inf")

    def __repr__(self) -> str:
        return f"<SlidingWindow {self._policy.name} {self._used}/{self._policy.quota}>"
