"""A limiter that counts together with others, and yet decides here: it spends units that a store granted ahead."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

import msgspec

from atoll.clock import Clock
from atoll.limits.policy import Decision, LimitPolicy
from atoll.limits.quota_store import Grant, QuotaStore, StoreAway, lease_of
from atoll.limits.sliding_window import SlidingWindow

FIRST_SHARE, LARGEST_SHARE = 32, 8
"""Of the quota, a 32nd is asked for ahead at first, and up to an eighth when it is used up before its lease ends."""

LOOK_EVERY = 0.5
"""Seconds between two looks at leases that have ended, and at a store that is away."""

COUNT_SHARERS_EVERY = 5.0

LEAVING_TAKES = 2.0
"""Seconds at most for giving back at the end: the process is to stop."""

MAX_CALLERS = 100_000
"""Callers of one policy whose leases are remembered at once; whoever is beyond that asks the store each time."""


class SharedLimiter:
    """A `Limiter` over a `QuotaStore`; enter it as an async context manager before use.

    Ask `is_ready` first: when it says no, await `prepare`, and only then `take`. A caller who comes again within a
    lease costs no round trip; nor does one who has been refused. What was granted and not spent goes back.

    While the store is away, each of those who share it lets pass its fair share of the quota: the whole, by their
    number when it was last known. What it has let pass before counts for that. `on_change` is told when the store
    goes away (True) and when it is back (False).
    """

    def __init__(self, store: QuotaStore, clock: Clock, *, on_change: Callable[[bool], None] = lambda _: None) -> None:
        self.is_away = False
        """Whether everybody counts for themselves now."""
        self.asked = 0
        """How often the store was asked so far."""
        self._store = store
        self._clock = clock
        self._on_change = on_change
        self._sharers = 1
        self._leases: dict[LimitPolicy, OrderedDict[str, _Lease]] = {}
        self._own: dict[LimitPolicy, OrderedDict[str, SlidingWindow]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<SharedLimiter {'away' if self.is_away else 'shared'} among {self._sharers}>"

    def is_ready(self, policy: LimitPolicy, caller: str, cost: int) -> bool:
        """Whether `take` can decide now."""
        if self.is_away or not cost:
            return True
        lease = self._leases.get(policy, _NONE).get(caller)
        return lease is not None and lease.decides(cost, self._clock.monotonic())

    async def prepare(self, policy: LimitPolicy, caller: str, cost: int) -> None:
        """Have what `take` needs to decide; bounded by the store's patience.

        When the store answers later than a lease of so short a window lasts, `take` decides as if it were away.
        """
        while not self.is_ready(policy, caller, cost):
            began = self._clock.monotonic()
            lease = self._lease(policy, caller)
            if lease.filling is None:
                self._fill(lease, cost)
            filling = lease.filling
            if filling is not None:
                await asyncio.shield(filling)
            if self._clock.monotonic() >= began + lease_of(policy) and not self.is_ready(policy, caller, cost):
                await self._give_back(lease)
                return

    def take(self, policy: LimitPolicy, caller: str, cost: int = 1) -> Decision:
        """Let `caller` use `cost` units of `policy`, or refuse; a refusal uses nothing."""
        now = self._clock.monotonic()
        lease = self._leases.get(policy, _NONE).get(caller)
        if lease is None or not lease.decides(cost, now):
            return self._from_own_share(policy, caller, cost, now)
        decision = lease.take(cost, now)
        if decision.allowed and lease.runs_low and lease.filling is None and not self.is_away:
            self._fill(lease, 1)
        return decision

    async def __aenter__(self) -> Self:
        self._looking = asyncio.create_task(self._look_after(), name="look after shared limits")
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._looking.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(self._looking, *self._tasks, return_exceptions=True)
        with suppress(TimeoutError):  # what is left counts until it ages
            async with asyncio.timeout(LEAVING_TAKES):
                for lease in [lease for leases in self._leases.values() for lease in leases.values()]:
                    await self._give_back(lease)

    # Asking the store.

    def _lease(self, policy: LimitPolicy, caller: str) -> "_Lease":
        leases = self._leases.setdefault(policy, OrderedDict())
        lease = leases.get(caller)
        if lease is None:
            lease = leases[caller] = _Lease(policy, caller)
            if len(leases) > MAX_CALLERS:
                self._give_back_later(leases.popitem(last=False)[1])
        return lease

    def _fill(self, lease: "_Lease", needed: int) -> None:
        task = lease.filling = asyncio.create_task(self._ask(lease, needed), name="take from a shared limit")
        self._keep(task)

    async def _ask(self, lease: "_Lease", needed: int) -> None:
        asked_at = self._clock.monotonic()
        try:
            if lease.units and asked_at >= lease.until:
                await self._give_back(lease)
            self.asked += 1
            grant = await self._store.take(lease.policy, lease.caller, needed, max(needed, lease.next_size(asked_at)))
        except StoreAway:
            self._set_away(True)
        else:
            own = self._own_window(lease.policy, lease.caller)
            if grant.units:
                own.note(asked_at, grant.units)
            lease.receive(grant, asked_at, self._clock.monotonic(), needed, own.last_slot)
        finally:
            lease.filling = None

    async def _give_back(self, lease: "_Lease") -> None:
        units = lease.let_go()
        if units and not self.is_away:
            self._own_window(lease.policy, lease.caller).give_back(lease.own_slot, units)
            try:
                await self._store.give_back(lease.policy, lease.caller, lease.slot, units)
            except StoreAway:
                self._set_away(True)

    def _give_back_later(self, lease: "_Lease") -> None:
        if lease.units:
            self._keep(asyncio.create_task(self._give_back(lease), name="give back to a shared limit"))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Without the store.

    def _from_own_share(self, policy: LimitPolicy, caller: str, cost: int, now: float) -> Decision:
        decision = self._own_window(policy, caller).take(now, cost)
        return msgspec.structs.replace(decision, policy=policy, remaining=max(0, decision.remaining))

    def _own_window(self, policy: LimitPolicy, caller: str) -> SlidingWindow:
        windows = self._own.setdefault(policy, OrderedDict())
        share = max(1, policy.quota // self._sharers)
        window = windows.get(caller)
        if window is None:
            self._make_room(windows)
            window = windows[caller] = SlidingWindow(policy)
        if window.policy.quota != share:
            window.policy = msgspec.structs.replace(policy, quota=share)
        windows.move_to_end(caller)
        return window

    def _make_room(self, windows: OrderedDict[str, SlidingWindow]) -> None:
        now = self._clock.monotonic()
        for _ in range(2):  # every new caller pays for its own place
            oldest = next(iter(windows), None)
            if oldest is None or not (windows[oldest].is_empty(now) or len(windows) >= MAX_CALLERS):
                return
            del windows[oldest]

    def _set_away(self, away: bool) -> None:
        if away is not self.is_away:
            self.is_away = away
            self._on_change(away)

    # Looking after leases, and after the store.

    async def _look_after(self) -> None:
        counted_at = float("-inf")
        while True:
            if self.is_away or self._clock.monotonic() >= counted_at + COUNT_SHARERS_EVERY:
                counted_at = self._clock.monotonic()
                await self._count_sharers()
            await self._clock.sleep(LOOK_EVERY)
            self._end_leases(self._clock.monotonic())

    async def _count_sharers(self) -> None:
        try:
            self._sharers = max(1, await self._store.sharers())
        except StoreAway:
            self._set_away(True)
        else:
            self._set_away(False)

    def _end_leases(self, now: float) -> None:
        """Give back what was not spent in time, and forget who has not come again."""
        for leases in self._leases.values():
            ended = [caller for caller, lease in leases.items() if lease.is_over(now)]
            for caller in ended:
                self._give_back_later(leases.pop(caller))


class _Lease:
    """Units that one caller may use until a moment, or the store's word that there are none."""

    __slots__ = (
        "_newest", "_refused_cost", "_reset_at", "_retry_at", "_size", "caller", "filling", "own_slot", "policy",
        "refused_until", "remaining", "slot", "units", "until",
    )  # fmt: skip

    def __init__(self, policy: LimitPolicy, caller: str) -> None:
        self.policy = policy
        self.caller = caller
        self.units = 0
        self.until = 0.0
        self.slot = self.own_slot = 0.0
        """Where the newest grant was counted: in the store, and among what we have let pass ourselves."""
        self.refused_until = 0.0
        self.remaining = 0
        self.filling: asyncio.Task[None] | None = None
        self._newest = 0
        self._refused_cost = 0
        self._reset_at = 0.0
        self._retry_at = 0.0
        self._size = max(1, policy.quota // FIRST_SHARE)

    def decides(self, cost: int, now: float) -> bool:
        """Whether there is enough in hand, or a refusal that still holds."""
        return (self.units >= cost and now < self.until) or (now < self.refused_until and cost >= self._refused_cost)

    def take(self, cost: int, now: float) -> Decision:
        """What `decides` has promised."""
        left = self.units if now < self.until else 0
        if left < cost:
            retry_after = max(0.0, self._retry_at - now)
            return Decision(self.policy, False, left + self.remaining, max(0.0, self._reset_at - now), retry_after)
        self.units -= cost
        return Decision(self.policy, True, self.units + self.remaining, max(0.0, self._reset_at - now))

    @property
    def runs_low(self) -> bool:
        """Whether it is time to ask for more, before somebody has to wait for it."""
        return self.units <= self._size // 4 and self._size > 1 and self.remaining > 0

    def next_size(self, now: float) -> int:
        """Units to ask for: more than the last time when those did not last for their lease."""
        if self.until and now < self.until:
            self._size = min(self._size * 2, max(1, self.policy.quota // LARGEST_SHARE))
        return self._size

    def let_go(self) -> int:
        """Give up what is in hand, and say how much of it can be given back.

        That is what is left of the newest grant. Units of one before were counted in another slot, which may be
        forgotten sooner: they go on counting until they are.
        """
        units, self.units = self.units, 0
        return min(units, self._newest)

    def receive(self, grant: Grant, asked_at: float, now: float, needed: int, own_slot: float) -> None:
        """What the store has said to a question asked at that moment: from then on the lease runs."""
        self.remaining = grant.remaining
        self._reset_at = asked_at + grant.reset
        if not grant.units:
            self._retry_at = asked_at + grant.retry_after
            self._refused_cost = needed
            self.refused_until = min(self._retry_at, now + lease_of(self.policy))
            return
        if asked_at >= self.until:
            self.units = 0
        end = asked_at + lease_of(self.policy)
        self.until = min(self.until, end) if self.units else end  # what is in hand must be spent no later than before
        self.units += grant.units
        self._newest, self.slot, self.own_slot = grant.units, grant.slot, own_slot

    def is_over(self, now: float) -> bool:
        """Whether nothing of it is of use any more."""
        return now >= self.until and now >= self.refused_until and self.filling is None


_NONE: OrderedDict[str, _Lease] = OrderedDict()
