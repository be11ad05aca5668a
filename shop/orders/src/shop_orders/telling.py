"""In the background: tell products what it must still be told of orders, until it has been told.

What that is stands in the orders' rows, written in the transaction that made it so; nothing is lost by a crash, and
being told twice does nothing.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from atoll.calls import CallError
from atoll.clock import Clock
from atoll.observability.logging import get_logger
from atoll.storage import Database, DatabaseUnavailable
from shop_orders import store
from shop_orders.domain import Owed

AT_ONCE = 100
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 5.0
LOOK_EVERY = 1.0
"""Seconds. At worst so late are rows found whose commit nobody was told of."""

log = get_logger()


class TellingMetrics:
    """What is still to be told, and how telling goes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.backlog = Gauge(
            "orders_owed", "Orders of which products must still be told something.", ["what"], registry=registry
        )
        self.oldest = Gauge(
            "orders_owed_oldest_seconds", "Age of the oldest of those orders.", ["what"], registry=registry
        )
        self.told = Counter("orders_told", "Orders of which products has been told.", ["what"], registry=registry)
        self.failures = Counter(
            "orders_telling_failures", "Attempts to tell products that failed.", ["what"], registry=registry
        )


class Telling:
    """Tells products one kind of thing, `AT_ONCE` orders at a time, the oldest first."""

    def __init__(
        self,
        what: Owed,
        tell: Callable[[Sequence[str]], Awaitable[None]],
        *,
        database: Database,
        clock: Clock,
        metrics: TellingMetrics,
        chance: random.Random | None = None,
    ) -> None:
        self._what = what
        self._tell = tell
        self._database = database
        self._clock = clock
        self._chance = chance or random.Random()  # noqa: S311 - jitter is no secret
        self._woken = asyncio.Event()
        self._failures = 0
        self._backlog = metrics.backlog.labels(what.value)
        self._oldest = metrics.oldest.labels(what.value)
        self._told = metrics.told.labels(what.value)
        self._failed = metrics.failures.labels(what.value)

    def __repr__(self) -> str:
        state = f"failed {self._failures} times" if self._failures else "well"
        return f"<Telling {self._what}: {state}>"

    def wake(self) -> None:
        """There is something to tell."""
        self._woken.set()

    async def run(self) -> None:
        """Tell, until cancelled: at once when woken, and what was left by a crash at the start.

        While products or the database is away, it tries again after pauses that grow to `LONGEST_PAUSE`.
        """
        while True:
            self._woken.clear()
            try:
                told = await self._tell_some()
            except (CallError, DatabaseUnavailable) as error:
                await self._pause_after(error)
                continue
            self._failures = 0
            if told < AT_ONCE:
                await self._woken.wait()

    async def watch(self) -> None:
        """Measure the backlog every `LOOK_EVERY` seconds, until cancelled, and wake `run` when there is one."""
        while True:
            try:
                await self._measure()
            except DatabaseUnavailable as error:
                log.warning("backlog not measured", what=self._what.value, reason=str(error))
            await self._clock.sleep(LOOK_EVERY)

    async def _tell_some(self) -> int:
        order_ids = await self._database.read(lambda reading: store.owed(reading, self._what, AT_ONCE))
        if order_ids:
            await self._tell(order_ids)
            self._told.inc(len(order_ids))
        return len(order_ids)

    async def _pause_after(self, error: Exception) -> None:
        self._failures += 1
        self._failed.inc()
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**self._failures)
        log.warning("products not told", what=self._what.value, failures=self._failures, reason=str(error))
        await self._clock.sleep(self._chance.uniform(0, longest))

    async def _measure(self) -> None:
        backlog = await self._database.read(lambda reading: store.backlog(reading, self._what))
        age = 0.0 if backlog.oldest is None else (self._clock.now() - backlog.oldest).total_seconds()
        self._backlog.set(backlog.count)
        self._oldest.set(age)
        if backlog.count:
            self.wake()
