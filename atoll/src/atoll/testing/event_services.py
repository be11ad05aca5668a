"""Two small services that tell each other events: `orders` places, `stock` settles and says so, `orders` confirms."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from prometheus_client import CollectorRegistry

from atoll.clock import Clock
from atoll.events import Broker, Event, EventType, On, Outbox, RedeliveryPolicy, ServiceEvents
from atoll.ids import uuid7
from atoll.storage import Database, Migration, Transaction, load_migrations
from atoll.wire import Model


class Placed(Model):
    order_id: str


class Settled(Model):
    order_id: str


PLACED = EventType("order.placed", Placed)
SETTLED = EventType("order.settled", Settled)

_TABLES = """
    CREATE TABLE orders (id TEXT PRIMARY KEY, status TEXT NOT NULL, confirmations BIGINT NOT NULL);
    CREATE TABLE settled (order_id TEXT PRIMARY KEY, times BIGINT NOT NULL);
"""

MIGRATIONS = [*load_migrations("atoll.events"), Migration(2, "tables", _TABLES)]
"""The tables of both services."""


class HasEvents(Protocol):
    """Any service with events."""

    events: ServiceEvents


class Orders:
    """Places orders, and confirms those that are settled."""

    def __init__(
        self,
        database: Database,
        broker: Broker,
        *,
        consumer: str = "orders-1",
        clock: Clock | None = None,
        redelivery: RedeliveryPolicy | None = None,
    ) -> None:
        self.outbox = Outbox("orders", clock=clock)
        self.database = self.outbox.waking(database)
        self.metrics = CollectorRegistry()
        self.new_id = uuid7(clock)
        self.events = ServiceEvents(
            self.outbox,
            database,
            broker,
            [On(SETTLED, self.confirm)],
            consumer=consumer,
            metrics=self.metrics,
            clock=clock,
            redelivery=redelivery or RedeliveryPolicy(),
        )

    async def place(self) -> str:
        """Place an order; its id."""
        order_id = self.new_id()

        async def body(tx: Transaction) -> None:
            await tx.execute("INSERT INTO orders (id, status, confirmations) VALUES ($1, 'pending', 0)", order_id)
            await self.outbox.announce(tx, PLACED, subject=order_id, sequence=1, data=Placed(order_id=order_id))

        await self.database.transaction(body)
        return order_id

    async def confirm(self, event: Event[Settled], tx: Transaction) -> None:
        await tx.execute(
            "UPDATE orders SET status = 'confirmed', confirmations = confirmations + 1 WHERE id = $1", event.subject
        )

    async def confirmed(self) -> int:
        (count,) = await self.database.fetch_one("SELECT count(*) FROM orders WHERE status = 'confirmed'") or (0,)
        return int(count)

    async def state(self) -> list[tuple[str, int]]:
        """Status and number of confirmations of every order."""
        return await self.database.fetch_all("SELECT status, confirmations FROM orders ORDER BY id")


class Stock:
    """Settles orders. `poison` are orders that it cannot settle."""

    def __init__(
        self,
        database: Database,
        broker: Broker,
        *,
        consumer: str = "stock-1",
        clock: Clock | None = None,
        redelivery: RedeliveryPolicy | None = None,
    ) -> None:
        self.outbox = Outbox("stock", clock=clock)
        self.database = database
        self.metrics = CollectorRegistry()
        self.poison: set[str] = set()
        self.handled: list[str] = []
        self.events = ServiceEvents(
            self.outbox,
            database,
            broker,
            [On(PLACED, self.settle)],
            consumer=consumer,
            metrics=self.metrics,
            clock=clock,
            handled=self._note,
            redelivery=redelivery or RedeliveryPolicy(),
        )

    async def settle(self, event: Event[Placed], tx: Transaction) -> None:
        order_id = event.data.order_id
        await tx.execute(
            "INSERT INTO settled (order_id, times) VALUES ($1, 1) "
            "ON CONFLICT (order_id) DO UPDATE SET times = settled.times + 1",
            order_id,
        )
        if order_id in self.poison:
            raise ValueError(f"{order_id} is poison")
        await self.outbox.announce(tx, SETTLED, subject=order_id, sequence=1, data=Settled(order_id=order_id))

    async def times(self) -> list[int]:
        """How often each order was settled."""
        return [times for (times,) in await self.database.fetch_all("SELECT times FROM settled ORDER BY order_id")]

    def _note(self, events: Sequence[Event[Placed]]) -> None:
        self.handled += [event.subject for event in events]


@asynccontextmanager
async def working(*services: HasEvents) -> AsyncIterator[None]:
    """Run the jobs of services, as long as none of them fails; then that is raised."""
    tasks = [asyncio.ensure_future(job()) for one in services for job in one.events.jobs.values()]
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_stop, tasks)
        yield
        for task in tasks:
            if task.done():
                task.result()


async def _stop(tasks: Sequence[asyncio.Future[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
