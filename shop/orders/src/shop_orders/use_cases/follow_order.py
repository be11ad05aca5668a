"""Tell what becomes of an order as it happens: first where it is, then each change, until it is where it stays."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from atoll import wire
from atoll.clock import Clock
from atoll.endpoints import Stream
from atoll.endpoints.server_sent_events import HEARTBEAT, HEARTBEAT_COMMENT, event, event_stream, retry_after
from atoll.identity.principal import Principal
from atoll.observability.logging import get_logger
from atoll.storage import Database, DatabaseUnavailable, Reading
from shop_orders.answers import change_answer
from shop_orders.domain import Change
from shop_orders.news import Follower, OrderNews
from shop_orders.places import Places
from shop_orders.store import orders
from shop_orders.use_cases.read_orders import visible

LONGEST = 900.0
"""Seconds, as long as an access token lives: who comes back after them has to show a new one."""

RETRY = 2.0

log = get_logger()


@dataclass(frozen=True)
class FollowOrder:
    database: Database
    news: OrderNews
    places: Places
    clock: Clock

    async def __call__(self, order_id: str, reader: Principal, last_event_id: str | None) -> Stream | None:
        """The events, whose ids count an order's changes; None when nothing will come after the one seen last.

        Raises `OrderNotFound`, `TooManyStreams` or `StreamsExhausted`.
        """
        changes = await self._all_changes(order_id, reader)
        seen = _seen(last_event_id, changes)
        if changes[-1].status.is_final and seen == changes[-1].sequence:
            return None
        return event_stream(self._events(order_id, seen), over=self.places.take(reader))

    async def _all_changes(self, order_id: str, reader: Principal) -> list[Change]:
        async def look(reading: Reading) -> list[Change]:
            visible(await orders.find(reading, order_id), order_id, reader)
            return await orders.changes(reading, order_id, after=0)

        return await self.database.read(look)

    async def _events(self, order_id: str, seen: int) -> AsyncIterator[bytes]:
        ends_at = self.clock.monotonic() + LONGEST
        with self.news.followed(order_id) as follower:
            follower.seen = seen
            yield retry_after(RETRY)
            while True:
                for change in await self._news_for(follower):
                    follower.seen = change.sequence
                    yield event(wire.encode(change_answer(change)), event_id=str(change.sequence))
                    if change.status.is_final:
                        return
                if self.news.closed or self.clock.monotonic() >= ends_at:
                    return
                if not await follower.wait(HEARTBEAT):
                    yield HEARTBEAT_COMMENT

    async def _news_for(self, follower: Follower) -> Sequence[Change]:
        """What it does not know yet; nothing while the database is away."""
        try:
            return await self.database.read(lambda reading: orders.changes(reading, follower.order_id, follower.seen))
        except DatabaseUnavailable as error:
            log.warning("changes not told for now", order_id=follower.order_id, reason=str(error))
            return ()


def _seen(last_event_id: str | None, changes: Sequence[Change]) -> int:
    """The change that the client has seen last; the one before the last for a client that knows of none of them."""
    known = {str(change.sequence): change.sequence for change in changes}
    return known.get(last_event_id or "", changes[-1].sequence - 1)
