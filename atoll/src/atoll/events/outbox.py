"""The outbox: events in the same database, and the same transaction, as the state that they tell of.

    outbox = Outbox("orders")
    database = outbox.waking(database)

    async def place(tx):
        await orders.add(tx, order)
        await outbox.announce(tx, ORDER_CREATED, subject=order.id, sequence=1, data=OrderCreated(…))

    await database.transaction(place)

So there is no state without its event, and no event without its state. `OutboxRelay` sends what is added.
"""

import asyncio
from typing import Any, TypeVar

from atoll.clock import Clock, SystemClock, to_millis
from atoll.events import outbox_table
from atoll.events.envelope import Event, EventSource, EventType
from atoll.ids import NewId, uuid7
from atoll.storage import Database, Transaction
from atoll.storage.database import TransactionBody
from atoll.storage.wrapping import WrappingDatabase

T = TypeVar("T")


class Outbox:
    """The outbox of one service, as one process of it uses it: `relay` is the name of that process."""

    def __init__(
        self,
        source: str,
        *,
        clock: Clock | None = None,
        new_id: NewId | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._events = EventSource(source, clock=self._clock, new_id=new_id)
        self.relay = f"{source}-{uuid7()()}"
        self.additions = 0
        """How many events were added here so far, committed or not."""
        self.woken = asyncio.Event()
        """Set when there may be something to publish."""

    def __repr__(self) -> str:
        return f"<Outbox of {self.source}: {self.additions} added here>"

    @property
    def source(self) -> str:
        """The service whose events these are."""
        return self._events.source

    def event(
        self, type_: EventType[T], *, subject: str, sequence: int, data: T, cause: Event[Any] | None = None
    ) -> Event[T]:
        """A new event of `type_`, to be added; in the trace of its cause, or else of what is in hand."""
        return self._events.event(type_, subject=subject, sequence=sequence, data=data, cause=cause)

    async def announce(self, tx: Transaction, type_: EventType[T], *, subject: str, sequence: int, data: T) -> Event[T]:
        """Add a new event of `type_`, in the trace of what is in hand; it happens when `tx` is committed."""
        event = self.event(type_, subject=subject, sequence=sequence, data=data)
        await self.add(tx, event)
        return event

    async def add(self, tx: Transaction, *events: Event[Any]) -> None:
        """Add events that were made before; `UniqueViolated` when one is there already."""
        self.additions += len(events)
        await outbox_table.add(tx, events, self.relay, to_millis(self._clock.now()))

    def wake(self) -> None:
        """Events were committed: let the relay send them at once. Without this it finds them within a second."""
        self.woken.set()

    def waking(self, database: Database) -> Database:
        """The same database; after each transaction that may have added events the relay is woken."""
        is_waking = isinstance(database, _WakingDatabase) and database.outbox is self
        return database if is_waking else _WakingDatabase(database, self)


class _WakingDatabase(WrappingDatabase):
    """A database whose commits wake the relay."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        super().__init__(database)
        self.outbox = outbox

    async def transaction(self, body: TransactionBody[T]) -> T:
        before = self.outbox.additions
        try:
            return await self.wrapped.transaction(body)
        finally:
            if self.outbox.additions != before:
                self.outbox.wake()
