"""The tables of the outbox, with statements that are right under READ COMMITTED. Moments are in milliseconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from atoll.clock import from_millis
from atoll.events.broker import Mark, Message
from atoll.events.envelope import Event, encode
from atoll.storage import Reading, Transaction, listing

MOST_COUNTED = 10_000

_ADD = """
    INSERT INTO outbox (event_id, type, body, sequence, relay, added_at) VALUES ($1, $2, $3, $4, $5, $6)
"""

_WAITING = """
    SELECT event_id, type, body FROM outbox
    WHERE published_at IS NULL AND (relay = $1 OR added_at <= $2)
    ORDER BY added_at, sequence, event_id LIMIT $3
"""

_PUBLISHED = "UPDATE outbox SET published_at = $1 WHERE event_id IN ({})"

_LEFT_OVER = "SELECT 1 FROM outbox WHERE published_at IS NULL AND relay <> $1 AND added_at <= $2 LIMIT 1"

_LEASE = """
    UPDATE outbox_relay SET holder = $1, held_until = $2 WHERE holder = $1 OR held_until <= $3
"""

_END_LEASE = "UPDATE outbox_relay SET held_until = 0 WHERE holder = $1"

_KNOWN_MARK = "SELECT epoch, run FROM outbox_relay"

_KNOW_FIRST_MARK = "UPDATE outbox_relay SET epoch = $1, run = $2 WHERE epoch = ''"

_KNOW_MARK = "UPDATE outbox_relay SET epoch = $1, run = $2"

_NEWEST_PUBLISHED = "SELECT max(published_at) FROM outbox WHERE published_at IS NOT NULL"

_SEND_AGAIN = """
    UPDATE outbox SET published_at = NULL, relay = ''
    WHERE event_id IN (
        SELECT event_id FROM outbox WHERE published_at BETWEEN $1 AND $2 AND added_at >= $3
        ORDER BY published_at LIMIT $4
    )
"""

_FORGET = """
    DELETE FROM outbox WHERE event_id IN (
        SELECT event_id FROM outbox WHERE published_at <= $1 ORDER BY published_at LIMIT $2
    )
"""

_COUNT = """
    SELECT count(*), min(added_at)
    FROM (SELECT added_at FROM outbox WHERE published_at IS NULL ORDER BY added_at LIMIT $1) AS oldest
"""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Events that wait to be published: how many, counted up to `MOST_COUNTED`, and since when the oldest one does."""

    count: int
    oldest: datetime | None

    def seconds(self, now: datetime) -> float:
        return 0.0 if self.oldest is None else max(0.0, (now - self.oldest).total_seconds())


async def add(tx: Transaction, events: Sequence[Event[Any]], relay: str, now: int) -> None:
    """Add events that `relay` is to publish."""
    rows = [(event.id, event.type, encode(event), event.sequence, relay, now) for event in events]
    await tx.execute_many(_ADD, rows)


async def waiting(reading: Reading, relay: str, left_over_since: int, limit: int) -> list[tuple[str, Message]]:
    """The oldest events to publish, with their ids: those of `relay`, and of others since that moment."""
    rows = await reading.fetch_all(_WAITING, relay, left_over_since, limit)
    return [(event_id, Message(type_, bytes(body))) for event_id, type_, body in rows]


async def some_left_over(reading: Reading, relay: str, since: int) -> bool:
    """Whether others than `relay` have left events unpublished since that moment."""
    return await reading.fetch_one(_LEFT_OVER, relay, since) is not None


async def lease(tx: Transaction, relay: str, now: int, until: int) -> bool:
    """Let `relay` be the one that sends what is left over, unless another one is."""
    return await tx.execute(_LEASE, relay, until, now) == 1


async def end_lease(tx: Transaction, relay: str) -> None:
    await tx.execute(_END_LEASE, relay)


async def published(tx: Transaction, event_ids: Sequence[str], now: int) -> None:
    """The broker has these events."""
    if event_ids:
        await tx.execute(listing(_PUBLISHED, len(event_ids), after=1), now, *event_ids)


async def known_mark(reading: Reading) -> Mark:
    """The broker that all published events are at; empty before there was one."""
    row = await reading.fetch_one(_KNOWN_MARK)
    assert row is not None  # noqa: S101 - the migration made it
    return Mark(*row)


async def know_first_mark(tx: Transaction, mark: Mark) -> None:
    """Know this broker, if none was known before."""
    await tx.execute(_KNOW_FIRST_MARK, mark.epoch, mark.run)


async def know_mark(tx: Transaction, mark: Mark) -> None:
    await tx.execute(_KNOW_MARK, mark.epoch, mark.run)


async def newest_published(reading: Reading) -> int | None:
    """When an event was last published."""
    (newest,) = await reading.fetch_one(_NEWEST_PUBLISHED) or (None,)
    return newest if newest is None else int(newest)


async def send_again(tx: Transaction, since: int, until: int, added_since: int, limit: int) -> int:
    """Have some events published again that were between the two moments, the oldest first; how many."""
    return await tx.execute(_SEND_AGAIN, since, until, added_since, limit)


async def forget(tx: Transaction, until: int, limit: int) -> int:
    """Forget some events that were published until that moment; how many."""
    return await tx.execute(_FORGET, until, limit)


async def backlog(reading: Reading) -> Backlog:
    """What waits to be published."""
    count, oldest = await reading.fetch_one(_COUNT, MOST_COUNTED) or (0, None)
    return Backlog(count, None if oldest is None else from_millis(oldest))
