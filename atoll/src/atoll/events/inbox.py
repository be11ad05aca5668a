"""The inbox: an event's effect and the note that it is handled, in one transaction. So it has its effect once,
however often it comes.

Events that have queued up share a transaction. When that fails they get one each: the one that fails is set aside
(`atoll.events.failures`), and the others are handled.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from atoll.clock import Clock, to_millis
from atoll.events import inbox_table as table
from atoll.events.broker import Delivery
from atoll.events.envelope import Event, EventUnreadable
from atoll.events.failures import Failures
from atoll.events.handlers import HandledHook, Handlers
from atoll.events.metrics import EventMetrics
from atoll.events.unavailability import UNAVAILABLE
from atoll.storage import Database, Transaction

SUSPICIOUS = 5
"""Deliveries after which an event is set aside unseen, to be tried alone: perhaps it ends the process each time."""


class Unfinished(Exception):
    """The event was delivered several times, and nobody came to an end with it."""


class _Arrived(NamedTuple):
    event: Event[Any]
    delivery: Delivery


class Inbox:
    """The inbox of one service. `handled` hears of events after their effect has become durable."""

    def __init__(
        self,
        database: Database,
        handlers: Handlers,
        failures: Failures,
        metrics: EventMetrics,
        *,
        clock: Clock,
        handled: HandledHook | None = None,
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._failures = failures
        self._metrics = metrics
        self._clock = clock
        self._handled = handled

    def __repr__(self) -> str:
        return f"<Inbox of {self._handlers!r}>"

    async def take(self, deliveries: Sequence[Delivery]) -> None:
        """Return when each has been handled, passed over as known, or set aside, all of it durable.

        Raises what `UNAVAILABLE` names: then some have been, and all may be taken again.
        """
        arrived = [found for delivery in deliveries if (found := await self._read(delivery))]
        if not arrived:
            return
        try:
            await self._act(arrived)
        except UNAVAILABLE:
            raise
        except Exception:
            await self._one_by_one(arrived)

    async def _read(self, delivery: Delivery) -> _Arrived | None:
        """None for an event that is set aside at once: unreadable, or suspicious."""
        try:
            event = self._handlers.read(delivery.body, delivery.topic)
        except EventUnreadable as error:
            name = f"unreadable-{hashlib.sha256(delivery.body).hexdigest()[:32]}"
            await self._failures.set_aside(name, delivery.topic, delivery.body, error, traceparent=None, hopeless=True)
            return None
        if delivery.deliveries > SUSPICIOUS:
            await self._set_aside(_Arrived(event, delivery), Unfinished(f"delivered {delivery.deliveries} times"))
            return None
        return _Arrived(event, delivery)

    async def _act(self, arrived: Sequence[_Arrived]) -> None:
        """Handle all in one transaction, but those that are known."""
        handled = await self._database.transaction(lambda tx: self._act_within(arrived, tx))
        now = self._clock.now()
        for type_, count in Counter(event.type for event in handled).items():
            self._metrics.handled.count(type_, count)
        for event in handled:
            self._metrics.delayed(event.type, (now - event.time).total_seconds())
        if len(handled) < len(arrived):
            self._count_repeated(arrived, handled)
        if self._handled and handled:
            self._handled(handled)

    async def _act_within(self, arrived: Sequence[_Arrived], tx: Transaction) -> list[Event[Any]]:
        events = {event.id: event for event, _ in arrived}
        new = await table.note(tx, list(events), to_millis(self._clock.now()))
        handled = [event for event in events.values() if event.id in new]
        await self._handlers.act(handled, tx)
        return handled

    async def _one_by_one(self, arrived: Sequence[_Arrived]) -> None:
        outcomes = await asyncio.gather(*(self._alone(one) for one in arrived), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _alone(self, arrived: _Arrived) -> None:
        try:
            await self._act([arrived])
        except UNAVAILABLE:
            raise
        except Exception as error:
            await self._set_aside(arrived, error)

    async def _set_aside(self, arrived: _Arrived, error: Exception) -> None:
        event, delivery = arrived
        await self._failures.set_aside(event.id, event.type, delivery.body, error, traceparent=event.traceparent)

    def _count_repeated(self, arrived: Sequence[_Arrived], handled: Sequence[Event[Any]]) -> None:
        fresh = {event.id for event in handled}
        for event, _ in arrived:
            if event.id in fresh:
                fresh.discard(event.id)
            else:
                self._metrics.repeated.count(event.type)
