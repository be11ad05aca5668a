"""The orders service in this process: on each engine, real tokens, and products at the door of `create_app`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import TypeAlias

import httpx2
import pytest
from msgspec import UNSET

from atoll import wire
from atoll.calls import NoInstances
from atoll.calls.errors import upstream_problem
from atoll.events import Event, EventSource, MemoryBroker, Message
from atoll.events.envelope import read_envelope
from atoll.service import Service
from atoll.storage import open_database
from atoll.testing.callers import Callers
from atoll.testing.clock import ManualClock
from shop_contracts.events import INVENTORY_UPDATED, InventoryUpdated, StockOutcome
from shop_contracts.items import Item
from shop_contracts.money import Money
from shop_contracts.products import Reservation, ReservationState, ReservedLine
from shop_orders.app import create_app
from shop_orders.domain import InsufficientStock, ProductNotFound, ProductsUnavailable
from shop_orders.ports import ItemsDiffer, ReservationReleased
from shop_orders.settings import OrdersSettings


class Shelf:
    """Products as orders knows it, in memory: stock by product id, and the reservations made of it.

    Everything costs 19.90. What the test sets: while `away` nothing can be asked, while `deaf` events do not reach
    it; `fates` are what it says of orders whatever it knows, `confusing` those it fails at; `dies_after_reserving`
    lets orders' next attempt die between its reservation and its commit.
    """

    def __init__(self, clock: ManualClock, broker: MemoryBroker) -> None:
        self._clock = clock
        self._broker = broker
        self._events = EventSource("products", clock=clock)
        self._hears = asyncio.Event()
        self._hears.set()
        self.stock = {"lamp": 10, "chair": 3}
        self.reservations: dict[str, Reservation] = {}
        self.settled: set[str] = set()
        self.released: list[str] = []
        self.fates: dict[str, ReservationState | None] = {}
        self.confusing: set[str] = set()
        self.heard: list[Event[wire.Raw]] = []
        self.reserve_calls = 0
        self.away = False
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

    async def state_of(self, order_id: str) -> ReservationState | None:
        await asyncio.sleep(0)
        if self.away:
            raise NoInstances(service="products")
        if order_id in self.confusing:
            raise upstream_problem(500, [], b"", service="products", instance="")
        if order_id in self.fates:
            return self.fates[order_id]
        if order_id in self.released:
            return "released"
        if order_id in self.settled:
            return "settled"
        return "held" if order_id in self.reservations else None

    async def hold(self, order_id: str, product_id: str) -> None:
        """Hold one of a product, as for an order of long ago."""
        await self.reserve(order_id, [Item(product_id=product_id, quantity=1)])

    @property
    def deaf(self) -> bool:
        return not self._hears.is_set()

    @deaf.setter
    def deaf(self, is_deaf: bool) -> None:
        (self._hears.clear if is_deaf else self._hears.set)()

    async def listen(self) -> None:
        """Act on the events of orders, until cancelled."""
        subscription = self._broker.subscribe("products", ["order.created", "order.cancelled"], consumer="shelf")
        while True:
            await self._hears.wait()
            deliveries = await subscription.read(100, wait=0.05)
            await self._hears.wait()
            for delivery in deliveries:
                await self._act(read_envelope(delivery.body))
            await subscription.acknowledge(deliveries)

    async def tell(self, order_id: str, status: StockOutcome, reason: str = "") -> None:
        """Say whether an order has its stock."""
        data = InventoryUpdated(order_id=order_id, status=status, reason=reason or UNSET)
        event = self._events.event(INVENTORY_UPDATED, subject=order_id, sequence=1, data=data)
        await self._broker.publish([Message(event.type, wire.encode(event))])

    async def _act(self, event: Event[wire.Raw]) -> None:
        self.heard.append(event)
        order_id = event.subject
        if event.type == "order.cancelled":
            self._release(order_id)
        elif order_id in self.reservations and order_id not in self.released:
            self.settled.add(order_id)
            await self.tell(order_id, "confirmed")
        else:
            await self.tell(order_id, "rejected", "Nothing is held for it.")

    def _release(self, order_id: str) -> None:
        if order_id in self.released:
            return
        self.released.append(order_id)
        if order_id in self.reservations:
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
async def broker(clock: ManualClock) -> AsyncIterator[MemoryBroker]:
    async with MemoryBroker(clock) as broker:
        yield broker


@pytest.fixture
async def shelf(clock: ManualClock, broker: MemoryBroker) -> AsyncIterator[Shelf]:
    shelf = Shelf(clock, broker)
    listening = asyncio.create_task(shelf.listen())
    yield shelf
    listening.cancel()
    await asyncio.wait([listening])


@pytest.fixture
def new_service(
    clock: ManualClock, callers: Callers, broker: MemoryBroker, shelf: Shelf, database_url: str
) -> NewService:
    """Makes the service on the same database each time."""

    def new_service() -> Service:
        return create_app(
            OrdersSettings(port=0),
            clock=clock,
            database=open_database(database_url),
            broker=broker,
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
