"""The events of the services: what their outboxes have sent, and what the inboxes of those who act on it say."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from atoll.clock import from_millis
from atoll.storage import ReadOnlyDatabase
from shop_contracts.events import INVENTORY_UPDATED, ORDER_CANCELLED, ORDER_CREATED, USER_DELETED, USER_REGISTERED
from shop_proof.verify.records import Databases, in_parts, numbers


@dataclass(frozen=True, slots=True)
class Channel:
    """Events of one service on which another one acts."""

    sender: str
    receiver: str
    types: Sequence[str]


CHANNELS = (
    Channel("orders", "products", (ORDER_CREATED.name, ORDER_CANCELLED.name)),
    Channel("products", "orders", (INVENTORY_UPDATED.name,)),
    Channel("users", "orders", (USER_REGISTERED.name, USER_DELETED.name)),
)

RECEIVERS = ("products", "orders")


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An event that somebody is to act on: when the broker took it, and whether its receiver has noted it."""

    id: str
    type: str
    receiver: str
    published_at: datetime | None
    is_noted: bool


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that its receiver gave up on."""

    id: str
    type: str
    receiver: str
    reason: str


_WAITING = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
_RETRYING = "SELECT count(*) FROM inbox_failures WHERE next_at IS NOT NULL"
_DEAD = "SELECT event_id, type, reason FROM inbox_failures WHERE next_at IS NULL ORDER BY event_id"


async def on_their_way(databases: Databases) -> int:
    """How many events are not acted on yet; 1 when only the broker has any, however many those are.

    Costs a walk through the outboxes when nothing else is on its way.
    """
    by_name = _by_name(databases)
    counts = [await by_name[name].fetch_one(_WAITING) for name in by_name]
    counts += [await by_name[name].fetch_one(_RETRYING) for name in RECEIVERS]
    known = sum(count for (count,) in filter(None, counts))
    return known or int(await _some_are_at_the_broker(databases))


async def sent(databases: Databases) -> AsyncIterator[SentEvent]:
    """Every event of every channel that its sender still keeps: those of a week."""
    by_name = _by_name(databases)
    for channel in CHANNELS:
        async for event in _sent_through(channel, by_name[channel.sender], by_name[channel.receiver]):
            yield event


async def dead_letters(databases: Databases) -> AsyncIterator[DeadLetter]:
    """Every event that was given up on."""
    for receiver in RECEIVERS:
        async for event_id, type_, reason in _by_name(databases)[receiver].stream(_DEAD):
            yield DeadLetter(event_id, type_, receiver, reason)


async def _some_are_at_the_broker(databases: Databases) -> bool:
    async for event in sent(databases):
        if not event.is_noted:
            return True
    return False


async def _sent_through(
    channel: Channel, sender: ReadOnlyDatabase, receiver: ReadOnlyDatabase
) -> AsyncIterator[SentEvent]:
    sql = f"SELECT event_id, type, published_at FROM outbox WHERE type IN ({numbers(len(channel.types))})"  # noqa: S608 - numbers
    async for rows in in_parts(sender.stream(sql, *channel.types)):
        noted = await _noted(receiver, [event_id for event_id, *_ in rows])
        for event_id, type_, at in rows:
            published_at = None if at is None else from_millis(at)
            yield SentEvent(event_id, type_, channel.receiver, published_at, event_id in noted)


async def _noted(receiver: ReadOnlyDatabase, event_ids: Sequence[str]) -> set[str]:
    sql = f"SELECT event_id FROM inbox WHERE event_id IN ({numbers(len(event_ids))})"  # noqa: S608 - numbers
    return {event_id for (event_id,) in await receiver.fetch_all(sql, *event_ids)}


def _by_name(databases: Databases) -> Mapping[str, ReadOnlyDatabase]:
    return {"users": databases.users, "products": databases.products, "orders": databases.orders}
