"""A sliding window that never lets more than its quota through, in bounded memory."""

from collections import deque

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

    __slots__ = ("_policy", "_slot_seconds", "_slots", "_used")

    def __init__(self, policy: LimitPolicy) -> None:
        self._policy = policy
        self._slot_seconds = policy.window / SLOTS
        self._slots: deque[tuple[float, int]] = deque()
        self._used = 0

    def take(self, now: float, cost: int = 1) -> Decision:
        """Use `cost` units at the monotonic moment `now`, if they are free; refusals cost nothing."""
        self._forget(now)
        if self._used + cost > self._policy.quota:
            return self._decision(now, allowed=False, retry_after=self._wait_for(now, cost))
        if cost:
            self._add(now, cost)
        return self._decision(now, allowed=True)

    def is_empty(self, now: float) -> bool:
        """Whether nothing is remembered any more, so that the window can be dropped."""
        self._forget(now)
        return not self._slots

    def _forget(self, now: float) -> None:
        while self._slots and self._slots[0][0] + self._policy.window <= now:
            self._used -= self._slots.popleft()[1]

    def _add(self, now: float, cost: int) -> None:
        end_of_slot = (now // self._slot_seconds + 1) * self._slot_seconds
        if self._slots and self._slots[-1][0] >= end_of_slot:
            end_of_slot, gathered = self._slots.pop()
            cost_of_slot = gathered + cost
        else:
            cost_of_slot = cost
        self._slots.append((end_of_slot, cost_of_slot))
        self._used += cost

    def _wait_for(self, now: float, cost: int) -> float:
        missing = self._used + cost - self._policy.quota
        for end_of_slot, gathered in self._slots:
            missing -= gathered
            if missing <= 0:
                return end_of_slot + self._policy.window - now
        return float("inf")

    def _decision(self, now: float, *, allowed: bool, retry_after: float = 0.0) -> Decision:
        reset = self._slots[-1][0] + self._policy.window - now if self._slots else 0.0
        return Decision(self._policy, allowed, self._policy.quota - self._used, reset, retry_after)

    def __repr__(self) -> str:
        return f"<SlidingWindow {self._policy.name} {self._used}/{self._policy.quota}>"
