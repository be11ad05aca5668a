"""A load from its beginning to its end."""

import asyncio
import random
from collections import deque
from dataclasses import dataclass

from atoll.clock import Clock
from shop_proof.history import Recorder
from shop_proof.load.actions import Actions
from shop_proof.load.arrivals import Arrivals
from shop_proof.load.door import Door
from shop_proof.load.hands import all_at_once
from shop_proof.load.insisting import Insisting
from shop_proof.load.people import Administrator, sign_up_all
from shop_proof.load.plan import Plan
from shop_proof.load.shelves import stocked
from shop_proof.load.summary import Result, live_line
from shop_proof.load.tally import Tally
from shop_proof.load.view import View

RATE_OVER = 2.0
"""Seconds over which the live line takes its rates."""

SIGN_UPS_TOLD = 10
"""So many more buyers are worth a line."""


class Load:
    """Runs a plan. `stop` ends it before its time: what is under way is finished, and nothing new begins."""

    def __init__(
        self,
        plan: Plan,
        *,
        admin: Administrator | None,
        recorder: Recorder,
        view: View,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        self._plan = plan
        self._admin = admin
        self._recorder = recorder
        self._view = view
        self._clock = clock
        self._chance = chance
        self._arrivals: Arrivals | None = None
        self._stopped = False
        self._busy = 0
        self.tally = Tally()

    def stop(self) -> None:
        self._stopped = True
        if self._arrivals is not None:
            self._arrivals.stop()

    async def run(self) -> Result:
        """What came of it; raises `NotReady` when it cannot begin."""
        async with Door(self._plan.url, self._recorder, connections=self._plan.hands) as door:
            insisting = Insisting(door, self.tally.repeated, self._clock, self._chance)
            actions = await self._prepared(insisting)
            arrivals = self._arrivals = Arrivals(
                self._clock, rate=self._plan.rate, seconds=self._plan.seconds, count=self._plan.count
            )
            if self._stopped:
                arrivals.stop()
            await self._all_hands(arrivals, actions)
            seconds = self._clock.monotonic() - arrivals.began
        return Result(self.tally, seconds, self._plan.rate, arrivals.missed)

    async def _prepared(self, insisting: Insisting) -> Actions:
        def told(count: int) -> None:
            if count == self._plan.buyers or count % SIGN_UPS_TOLD == 0:
                self._view.show(f"{count} of {self._plan.buyers} buyers have signed up")

        shelves = await stocked(insisting, self._plan, self._admin)
        buyers = await sign_up_all(insisting, self._plan.buyers, told)
        return Actions(insisting, buyers, shelves, lines=self._plan.lines, mix=self._plan.mix, chance=self._chance)

    async def _all_hands(self, arrivals: Arrivals, actions: Actions) -> None:
        watching = asyncio.create_task(self._watch(arrivals))
        try:
            await all_at_once(self._work(arrivals, actions) for _ in range(self._plan.hands))
        finally:
            watching.cancel()

    async def _work(self, arrivals: Arrivals, actions: Actions) -> None:
        while (due := await arrivals.next()) is not None:
            self._busy += 1
            outcome = await actions.act()
            self._busy -= 1
            self.tally.add(outcome, self._clock.monotonic() - due)

    async def _watch(self, arrivals: Arrivals) -> None:
        marks = deque([_Mark(self._clock.monotonic(), 0, 0)], maxlen=max(2, round(RATE_OVER / self._view.pause)))
        while True:
            await self._clock.sleep(self._view.pause)
            mark = _Mark(self._clock.monotonic(), self.tally.orders, self.tally.requests)
            since = marks[0]
            passed = mark.moment - since.moment
            self._view.show(
                live_line(
                    self.tally,
                    mark.moment - arrivals.began,
                    (mark.orders - since.orders) / passed,
                    (mark.requests - since.requests) / passed,
                    self._busy,
                )
            )
            marks.append(mark)


@dataclass(frozen=True, slots=True)
class _Mark:
    """How far it was at some moment."""

    moment: float
    orders: int
    requests: int
