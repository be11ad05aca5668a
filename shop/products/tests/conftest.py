"""The products service in this process: on each engine, a clock that stands still, and real tokens."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import httpx2
import pytest

from atoll import wire
from atoll.calls.errors import NoInstances, upstream_problem
from atoll.clock import Clock
from atoll.events import Event, EventSource, EventType, MemoryBroker, Message
from atoll.events.envelope import read_envelope
from atoll.storage import Database, Row, open_database
from atoll.testing.callers import Callers
from atoll.testing.clock import ManualClock
from shop_contracts.events import INVENTORY_UPDATED, ORDER_CANCELLED, ORDER_CREATED, OrderNamed
from shop_products.app import create_app
from shop_products.settings import ProductsSettings

JOBS = 7
"""Sweeping, keeping the right to do so, forgetting answers and events, sending events, trying again those that failed,
and watching them: all sleep when they have done their work."""

PassTime: TypeAlias = Callable[[float], Awaitable[None]]


class KnownOrders:
    """What the orders service would say: which orders exist, or nothing while it is away."""

    def __init__(self) -> None:
        self.existing: set[str] = set()
        self.away = False
        self.confusing: set[str] = set()

    async def exists(self, order_id: str) -> bool:
        if self.away:
            raise NoInstances(service="orders")
        if order_id in self.confusing:
            raise upstream_problem(500, [], b"", service="orders", instance="")
        return order_id in self.existing


class OrdersTold:
    """Orders, as the events that it sends, and what products answers to them."""

    def __init__(self, broker: MemoryBroker, clock: Clock) -> None:
        self._broker = broker
        self._events = EventSource("orders", clock=clock)
        self._answers = broker.subscribe("orders", ["inventory.updated"], consumer="orders")

    def event(self, type_: EventType[Any], order_id: str) -> Event[OrderNamed]:
        """An event of an order, with no more data than products reads."""
        named = type_.read_as(OrderNamed)
        return self._events.event(named, subject=order_id, sequence=1, data=OrderNamed(order_id=order_id))

    async def send(self, *events: Event[OrderNamed]) -> None:
        """Return when products has acted on all of them."""
        await self._broker.publish([Message(event.type, wire.encode(event)) for event in events])

    async def created(self, *order_ids: str) -> None:
        await self.send(*(self.event(ORDER_CREATED, order_id) for order_id in order_ids))

    async def cancelled(self, *order_ids: str) -> None:
        await self.send(*(self.event(ORDER_CANCELLED, order_id) for order_id in order_ids))

    async def answers(self, count: int) -> list[tuple[str, str]]:
        """Order and status of the next answers, in the order in which they came."""
        found: list[tuple[str, str]] = []
        async with asyncio.timeout(10):
            while len(found) < count:
                deliveries = await self._answers.read(count - len(found), wait=1)
                await self._answers.acknowledge(deliveries)
                updates = [INVENTORY_UPDATED.read(read_envelope(delivery.body)) for delivery in deliveries]
                found += [(update.subject, update.data.status) for update in updates]
        return found


class Ledger:
    """Reads the ledger, and holds it against the stock."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, product_id: str) -> list[tuple[int, str, str | None]]:
        """Change, cause and order of each row, in the order in which they were written."""
        sql = "SELECT change, cause, order_id FROM stock_ledger WHERE product_id = $1 ORDER BY number"
        return await self._database.fetch_all(sql, product_id)

    async def numbers(self, product_id: str) -> list[int]:
        """How its rows are numbered."""
        sql = "SELECT number FROM stock_ledger WHERE product_id = $1 ORDER BY number"
        return [number for (number,) in await self._database.fetch_all(sql, product_id)]

    async def mismatches(self) -> list[Row]:
        """Products whose stock is not the sum of their changes."""
        return await self._database.fetch_all(
            """
            SELECT product_id, available, COALESCE(SUM(change), 0)
            FROM stock LEFT JOIN stock_ledger USING (product_id)
            GROUP BY product_id, available
            HAVING available <> COALESCE(SUM(change), 0)
            """
        )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def callers(clock: Clock) -> Callers:
    return Callers(clock=clock)


@pytest.fixture
def database(database_url: str) -> Database:
    return open_database(database_url)


@pytest.fixture
async def broker(clock: ManualClock) -> AsyncIterator[MemoryBroker]:
    async with MemoryBroker(clock) as broker:
        yield broker


@pytest.fixture
def orders() -> KnownOrders:
    return KnownOrders()


@pytest.fixture
async def running(
    clock: ManualClock, callers: Callers, database: Database, broker: MemoryBroker, orders: KnownOrders
) -> AsyncIterator[httpx2.ASGITransport]:
    """The way into the running service."""
    service = create_app(
        ProductsSettings(port=0),
        clock=clock,
        database=database,
        broker=broker,
        authenticator=callers.authenticator("products"),
        orders=orders,
    )
    async with service.running():
        yield httpx2.ASGITransport(app=service.app)


@pytest.fixture
def anyone(running: httpx2.ASGITransport) -> httpx2.AsyncClient:
    """A client that does not say who it is."""
    return httpx2.AsyncClient(transport=running, base_url="http://products")


@pytest.fixture
def admin(running: httpx2.ASGITransport, callers: Callers) -> httpx2.AsyncClient:
    """An administrator's client."""
    return httpx2.AsyncClient(transport=running, base_url="http://products", headers=callers.admin())


@pytest.fixture
def service(running: httpx2.ASGITransport, callers: Callers) -> httpx2.AsyncClient:
    """The orders service's client; its tokens are short, so each request has one of its own time."""

    def sign(request: httpx2.Request) -> httpx2.Request:
        request.headers.update(callers.service("orders", to="products"))
        return request

    return httpx2.AsyncClient(transport=running, base_url="http://products", auth=sign)


@pytest.fixture
def pass_time(clock: ManualClock, running: httpx2.ASGITransport) -> PassTime:
    """Lets time pass in steps as long as the sweeping's pause, each of which it has its turn in."""

    async def pass_time(seconds: float) -> None:
        pause = ProductsSettings().sweep_seconds
        for _ in range(math.ceil(seconds / pause)):
            await clock.wait_for_sleepers(JOBS)
            await clock.advance(pause)
        await clock.wait_for_sleepers(JOBS)

    return pass_time


@pytest.fixture
def orders_told(broker: MemoryBroker, clock: Clock, running: httpx2.ASGITransport) -> OrdersTold:
    """What the running service hears of orders, and answers."""
    return OrdersTold(broker, clock)


@pytest.fixture
def ledger(database: Database) -> Ledger:
    """What the ledger says of a product."""
    return Ledger(database)
