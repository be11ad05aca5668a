"""A sliding window that never lets more than its quota through, in bounded memory."""

from atoll.limits.policy import Decision, LimitPolicy

SLOTS = 64
"""A window is counted in this many slots, so it forgets at most a 64th of its length late, and never early."""


class _Slot:
    """What was used in one slot, and the moment when it is forgotten."""

    __slots__ = ("free_at", "used")

    def __init__(self, free_at: float, used: int) -> None:
        self.free_at = free_at
        self.used = used


class SlidingWindow:
    """What one caller has used of one policy.

    Costs are gathered in slots of `window / SLOTS` seconds, and a slot is forgotten only when its *last*
    moment is a whole window ago. So the sum over any window is at most the quota (the two-bucket estimate
    many limiters use is not that strict), a caller waits at most one slot longer than an exact log of
    requests would make it wait, and memory is bounded however large the quota is.

    With a `lease`, in seconds, what is used is remembered for so much longer, because it may be spent so much later.
    """

    __slots__ = ("_memory", "_slots", "_used", "policy")

    def __init__(self, policy: LimitPolicy, *, lease: float = 0.0) -> None:
        self.policy = policy
        """May be replaced by one with another quota."""
        self._memory = policy.window + lease
        self._slots: list[_Slot] = []
        """The oldest first."""
        self._used = 0

    def take(self, now: float, cost: int = 1) -> Decision:
        """Use `cost` units at the monotonic moment `now`, if they are free; refusals cost nothing."""
        slots, policy = self._slots, self.policy
        if slots and slots[0].free_at <= now:
            self._forget(now)
        used = self._used + cost
        if used > policy.quota:
            reset = slots[-1].free_at - now if slots else 0.0
            return Decision(policy, False, policy.quota - self._used, reset, self._wait_for(now, cost))
        if cost:
            self._used = used
            if slots and slots[-1].free_at > now + self._memory:
                slots[-1].used += cost
            else:
                self._begin_slot(now, cost)
        return Decision(policy, True, policy.quota - used, slots[-1].free_at - now if slots else 0.0)

    def free(self, now: float) -> int:
        """The units that could be used now."""
        self._forget(now)
        return self.policy.quota - self._used

    @property
    def last_slot(self) -> float:
        """Names the slot in which the last use was counted, for `give_back`; 0 when nothing is remembered."""
        return self._slots[-1].free_at if self._slots else 0.0

    def give_back(self, slot: float, units: int) -> None:
        """Units that were used in that slot are free again after all; nothing, if it is forgotten already."""
        for each in self._slots:
            if each.free_at == slot:
                units = min(units, each.used)
                each.used -= units
                self._used -= units
                return

    def note(self, now: float, units: int) -> None:
        """Count what was used already, allowed or not."""
        self._forget(now)
        self._used += units
        if self._slots and self._slots[-1].free_at > now + self._memory:
            self._slots[-1].used += units
        else:
            self._begin_slot(now, units)

    def is_empty(self, now: float) -> bool:
        """Whether nothing is remembered any more, so that the window can be dropped."""
        self._forget(now)
        return not self._slots

    def _forget(self, now: float) -> None:
        while self._slots and self._slots[0].free_at <= now:
            self._used -= self._slots.pop(0).used

    def _begin_slot(self, now: float, cost: int) -> None:
        slot_seconds = self.policy.window / SLOTS
        self._slots.append(_Slot((now // slot_seconds + 1) * slot_seconds + self._memory, cost))

    def _wait_for(self, now: float, cost: int) -> float:
        missing = self._used + cost - self.policy.quota
        for slot in self._slots:
            missing -= slot.used
            if missing <= 0:
                return slot.free_at - now
        return float("inf")

    def __repr__(self) -> str:
        return f"<SlidingWindow {self.policy.name} {self._used}/{self.policy.quota}>"
