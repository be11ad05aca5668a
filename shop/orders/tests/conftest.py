"""The orders service in this process: on each engine, real tokens, and products at the door of `create_app`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import TypeAlias

import httpx2
import pytest

from atoll.calls import NoInstances
from atoll.service import Service
from atoll.storage import open_database
from atoll.testing.callers import Callers
from atoll.testing.clock import ManualClock
from shop_contracts.items import Item
from shop_contracts.money import Money
from shop_contracts.products import Reservation, ReservedLine
from shop_orders.app import create_app
from shop_orders.domain import InsufficientStock, ProductNotFound, ProductsUnavailable
from shop_orders.ports import ItemsDiffer, ReservationReleased
from shop_orders.settings import OrdersSettings


class Shelf:
    """Products as orders knows it, in memory: stock by product id, and the reservations made of it.

    Everything costs 19.90. What the test sets: while `away` nothing can be reserved, while `deaf` it can't be told
    anything, nor of `failing_releases` at any time; `dies_after_reserving` lets orders' next attempt die between its
    reservation and its commit.
    """

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.stock = {"lamp": 10, "chair": 3}
        self.reservations: dict[str, Reservation] = {}
        self.settled: set[str] = set()
        self.released: list[str] = []
        self.reserve_calls = 0
        self.settle_calls = 0
        self.away = False
        self.deaf = False
        self.failing_releases: set[str] = set()
        self.dies_after_reserving = False
        self.hold_for = timedelta(minutes=10)

    async def reserve(self, order_id: str, items: Sequence[Item]) -> Reservation:
        self.reserve_calls += 1
        await asyncio.sleep(0)
        if self.away:
            raise ProductsUnavailable(retry_after=2)
        hold = self.reservations.get(order_id) or self._take(order_id, items)
        if order_id in self.released:
            raise ReservationReleased(order_id)
        if {(line.product_id, line.quantity) for line in hold.items} != {
            (item.product_id, item.quantity) for item in items
        }:
            raise ItemsDiffer(order_id)
        if self.dies_after_reserving:
            self.dies_after_reserving = False
            raise RuntimeError("the process dies here")
        return hold

    async def settle(self, order_ids: Sequence[str]) -> frozenset[str]:
        self.settle_calls += 1
        await asyncio.sleep(0)
        if self.deaf:
            raise NoInstances(service="products")
        held = {order_id for order_id in order_ids if order_id in self.reservations} - {*self.released}
        self.settled |= held
        return frozenset(held)

    async def release(self, order_id: str) -> None:
        await asyncio.sleep(0)
        if self.deaf or order_id in self.failing_releases:
            raise NoInstances(service="products")
        if order_id not in self.released:
            self.released.append(order_id)
            for line in self.reservations[order_id].items:
                self.stock[line.product_id] += line.quantity

    def _take(self, order_id: str, items: Sequence[Item]) -> Reservation:
        for item in items:
            if item.product_id not in self.stock:
                raise ProductNotFound(f"Product {item.product_id} not found")
            if self.stock[item.product_id] < item.quantity:
                raise InsufficientStock(f"Insufficient stock for product {item.product_id.title()}")
        for item in items:
            self.stock[item.product_id] -= item.quantity
        self.reservations[order_id] = Reservation(
            order_id=order_id,
            state="held",
            items=tuple(_line(item) for item in items),
            expires_at=self._clock.now() + self.hold_for,
        )
        return self.reservations[order_id]


def _line(item: Item) -> ReservedLine:
    return ReservedLine(
        product_id=item.product_id,
        name=item.product_id.title(),
        quantity=item.quantity,
        price=Money(1990),
        version=1,
    )


class Visitors:
    """Clients of one running service, each of which says anew with every request who it is."""

    def __init__(self, transport: httpx2.ASGITransport, callers: Callers) -> None:
        self._transport = transport
        self._callers = callers

    def anyone(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=self._transport, base_url="http://orders")

    def user(self, subject: str, *roles: str) -> httpx2.AsyncClient:
        return self._signed(lambda: self._callers.user(subject, *roles))

    def service(self, name: str) -> httpx2.AsyncClient:
        return self._signed(lambda: self._callers.service(name, to="orders"))

    def _signed(self, headers: Callable[[], dict[str, str]]) -> httpx2.AsyncClient:
        def sign(request: httpx2.Request) -> httpx2.Request:
            request.headers.update(headers())
            return request

        return httpx2.AsyncClient(transport=self._transport, base_url="http://orders", auth=sign)


NewService: TypeAlias = Callable[[], Service]
StartOrders: TypeAlias = Callable[[], AbstractAsyncContextManager[Visitors]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def callers(clock: ManualClock) -> Callers:
    return Callers(clock=clock)


@pytest.fixture
def shelf(clock: ManualClock) -> Shelf:
    return Shelf(clock)


@pytest.fixture
def new_service(clock: ManualClock, callers: Callers, shelf: Shelf, database_url: str) -> NewService:
    """Makes the service on the same database each time."""

    def new_service() -> Service:
        return create_app(
            OrdersSettings(),
            clock=clock,
            database=open_database(database_url),
            authenticator=callers.authenticator("orders"),
            products=shelf,
        )

    return new_service


@pytest.fixture
def start_orders(new_service: NewService, callers: Callers) -> StartOrders:
    """Starts the service on the same database each time: one after the other, or several at once."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Visitors]:
        service = new_service()
        async with service.running():
            yield Visitors(httpx2.ASGITransport(app=service.app, raise_app_exceptions=False), callers)

    return start


@pytest.fixture
async def visitors(start_orders: StartOrders) -> AsyncIterator[Visitors]:
    """Clients of the running service."""
    async with start_orders() as visitors:
        yield visitors


@pytest.fixture
def ann(visitors: Visitors) -> httpx2.AsyncClient:
    return visitors.user("ann")


@pytest.fixture
def admin(visitors: Visitors) -> httpx2.AsyncClient:
    return visitors.user("root", "admin")


class Eventually:
    """Waits for what comes by itself, in the background, while time goes on."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    async def status(self, client: httpx2.AsyncClient, order_id: str, wanted: str) -> None:
        """Return when the order is in that state."""
        async with asyncio.timeout(10):
            while (await client.get(f"/orders/{order_id}")).json()["status"] != wanted:
                await self._go_on()

    async def true(self, condition: Callable[[], bool]) -> None:
        """Return when the condition holds."""
        async with asyncio.timeout(10):
            while not condition():
                await self._go_on()

    async def metric(self, client: httpx2.AsyncClient, name: str, holds: Callable[[float], bool]) -> None:
        """Return when that holds for the metric's value."""
        async with asyncio.timeout(10):
            while not holds(await _metric(client, name)):
                await self._go_on()

    async def _go_on(self) -> None:
        await self._clock.advance(0.1)
        await asyncio.sleep(0.001)


async def _metric(client: httpx2.AsyncClient, name: str) -> float:
    lines = (await client.get("/metrics")).text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(name))


@pytest.fixture
def eventually(clock: ManualClock) -> Eventually:
    return Eventually(clock)
