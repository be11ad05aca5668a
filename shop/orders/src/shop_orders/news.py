"""Who waits for news of which order, in this process.

Whoever changes an order tells it after the commit. What other processes on the same database change is found by a
look at the orders that somebody waits for, every `LOOK_EVERY` seconds.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from atoll.clock import Clock
from atoll.observability.logging import get_logger
from atoll.storage import Database, DatabaseUnavailable
from shop_orders.store import orders

LOOK_EVERY = 1.0
LOOK_AT_ONCE = 100

log = get_logger()


class Follower:
    """Waits for news of one order."""

    def __init__(self, order_id: str, clock: Clock) -> None:
        self.order_id = order_id
        self.seen = 0
        """The sequence of the last change that it knows of."""
        self._clock = clock
        self._news = asyncio.Event()

    def wake(self) -> None:
        self._news.set()

    async def wait(self, seconds: float) -> bool:
        """Whether there may be news; False when there was none for so long."""
        waiting = (asyncio.ensure_future(self._news.wait()), asyncio.ensure_future(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
        news = self._news.is_set()
        self._news.clear()
        return news


class OrderNews:
    """Wakes those who follow an order when it has changed. Once closed, nobody is to wait any more."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._followers: dict[str, set[Follower]] = {}
        self.closed = False

    def __repr__(self) -> str:
        return f"<OrderNews: {len(self._followers)} orders are followed>"

    @contextmanager
    def followed(self, order_id: str) -> Iterator[Follower]:
        """Within, nothing that is told of the order is missed."""
        follower = Follower(order_id, self._clock)
        followers = self._followers.setdefault(order_id, set())
        followers.add(follower)
        try:
            yield follower
        finally:
            followers.discard(follower)
            if not followers:
                self._followers.pop(order_id, None)

    def changed(self, order_ids: Iterable[str]) -> None:
        """These orders have changed, perhaps."""
        for order_id in order_ids:
            for follower in self._followers.get(order_id, ()):
                follower.wake()

    def close(self) -> None:
        """Wake everyone, for the last time."""
        self.closed = True
        self.changed(tuple(self._followers))

    async def watch(self) -> None:
        """Look for what others have changed, until cancelled."""
        while True:
            await self._clock.sleep(LOOK_EVERY)
            try:
                await self._look()
            except DatabaseUnavailable as error:
                log.warning("orders that are followed not looked at", reason=str(error))

    async def _look(self) -> None:
        order_ids = list(self._followers)
        for start in range(0, len(order_ids), LOOK_AT_ONCE):
            some = order_ids[start : start + LOOK_AT_ONCE]
            sequences = await self._sequences_of(some)
            self.changed(order_id for order_id, last in sequences.items() if self._is_behind(order_id, last))

    async def _sequences_of(self, order_ids: Sequence[str]) -> dict[str, int]:
        return await self._database.read(lambda reading: orders.sequences(reading, order_ids))

    def _is_behind(self, order_id: str, last: int) -> bool:
        return any(follower.seen < last for follower in self._followers.get(order_id, ()))
