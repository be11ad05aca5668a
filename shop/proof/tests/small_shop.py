"""Products and orders in this process, on real files, with the network and the background left out.

What is called here is what the services call; a test plants its bug there, and lets clients do their day's work.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, cast

from prometheus_client import CollectorRegistry

from atoll import wire
from atoll.clock import to_millis
from atoll.endpoints import Reply
from atoll.events import Broker, Delivery, Line, Mark, Message, Outbox
from atoll.events.failures import Failures
from atoll.events.handlers import Handlers
from atoll.events.inbox import Inbox
from atoll.events.metrics import EventMetrics
from atoll.events.relay import OutboxRelay
from atoll.idempotency import Asked, OncePerKey
from atoll.identity.principal import Principal
from atoll.ids import uuid7
from atoll.problems import Problem
from atoll.storage import Database, load_migrations, open_database
from atoll.testing.clock import ManualClock
from shop_contracts.items import Item
from shop_contracts.money import Money
from shop_contracts.orders import NewOrder, Order
from shop_contracts.products import NewProduct, NewReservation, Product, Reservation, ReservationState, StockChange
from shop_contracts.users import User
from shop_orders import domain
from shop_orders.answers import order_answer
from shop_orders.domain import InsufficientStock, Status
from shop_orders.store import orders as orders_store
from shop_orders.subscriptions import Subscriptions as SubscriptionsOfOrders
from shop_orders.use_cases.cancel_order import CancelOrder
from shop_orders.use_cases.place_order import PlaceOrder
from shop_orders.use_cases.read_orders import ReadOrders
from shop_orders.use_cases.ship_order import ShipOrder
from shop_products import domain as products_domain
from shop_products.store import reservations
from shop_products.subscriptions import Subscriptions as SubscriptionsOfProducts
from shop_products.use_cases.add_products import AddProducts
from shop_products.use_cases.change_stock import ChangeStock
from shop_products.use_cases.free_lapsed_holds import FreeLapsedHolds
from shop_products.use_cases.release_order import ReleaseOrder
from shop_products.use_cases.reserve import Reserve
from shop_products.use_cases.settle_orders import Placed, SettleOrders
from shop_proof.history import HistoryFile
from shop_proof.verify.promises import Outcome, Verdict
from shop_proof.verify.report import Report
from shop_proof.verify.verifying import Verification

T = TypeVar("T")

HOLD = timedelta(minutes=10)
ADMIN = Principal("administrator", roles=frozenset({"admin"}))


class Crash(Exception):
    """The process dies here: the client gets no answer."""


@dataclass(frozen=True)
class ProductsHere:
    """Products as orders needs it, called straight."""

    database: Database
    reserve_now: Reserve

    async def reserve(self, order_id: str, items: Sequence[Item]) -> Reservation:
        try:
            return await self.reserve_now(NewReservation(order_id=order_id, items=tuple(items)))
        except products_domain.InsufficientStock as short:
            raise InsufficientStock(short.detail, errors=short.errors) from short

    async def state_of(self, order_id: str) -> ReservationState | None:
        found = await self.database.read(lambda reading: reservations.find(reading, order_id))
        return None if found is None else found.state


class Post:
    """Carries the events of one service to another one, when the test says so. A broker, as the relay sees it."""

    def __init__(
        self, outbox: Outbox, sender: Database, receiver: Database, lines: Sequence[Line], clock: ManualClock
    ) -> None:
        handlers, metrics = Handlers(lines), EventMetrics(CollectorRegistry())
        self._types = set(handlers.types)
        self._inbox = Inbox(receiver, handlers, Failures(receiver, handlers, metrics, clock), metrics, clock=clock)
        self._relay = OutboxRelay(outbox, sender, cast("Broker", self), EventMetrics(CollectorRegistry()), clock=clock)
        self.carried = 0

    async def carry(self) -> int:
        """Everything that is in the outbox; how many events the receiver has acted on."""
        before = self.carried
        while await self._relay.turn():
            pass
        return self.carried - before

    async def publish(self, messages: Sequence[Message]) -> Mark:
        deliveries = [Delivery(topic, str(number), body, 1) for number, (topic, body) in enumerate(messages)]
        heard = [delivery for delivery in deliveries if delivery.topic in self._types]
        await self._inbox.take(heard)
        self.carried += len(heard)
        return await self.mark()

    async def mark(self) -> Mark:
        return Mark("post", "post")


class SmallShop:
    """A shop whose clients write down what they send and are answered. Enter it before use."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.folder = folder
        self.users = self._database("users")
        self.products = self._database("products")
        self.orders = self._database("orders")
        self.history = HistoryFile(folder / "history.jsonl", "http://here", self.clock)
        self.new_id = uuid7(self.clock)
        self.outbox_of_products = Outbox("products", clock=self.clock)
        self.outbox_of_orders = Outbox("orders", clock=self.clock)
        self.at_products = ProductsHere(self.products, Reserve(self.products, self.clock, HOLD))
        self.settle_orders = SettleOrders(self.outbox_of_products, self.clock)
        self.release_order = ReleaseOrder(self.products, self.clock)
        self.once_per_key = OncePerKey(self.products, self.clock)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for name, database in (("users", self.users), ("products", self.products), ("orders", self.orders)):
            await self._stack.enter_async_context(database)
            await database.migrate(load_migrations(f"shop_{name}"))
        self._post_to_products = Post(
            self.outbox_of_orders,
            self.orders,
            self.products,
            SubscriptionsOfProducts(self.settle_orders, self.release_order).table(),
            self.clock,
        )
        self._post_to_orders = Post(
            self.outbox_of_products,
            self.products,
            self.orders,
            SubscriptionsOfOrders(self.outbox_of_orders, self.clock).table(),
            self.clock,
        )
        self._stack.enter_context(self.history)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    # What clients do.

    async def sign_up(self, name: str = "Ann") -> Principal:
        new = {"name": name, "email": f"{name}@example.com"}
        now = self.clock.now()
        user = User(id=self.new_id(), name=name, email=new["email"], roles=(), created_at=now, updated_at=now)
        await self.tell("", "POST", "/api/users", wire.encode(new), 201, lambda: self._register(user))
        return Principal(user.id)

    async def stock_up(self, *stocks: int) -> list[str]:
        """The ids of new products with so many units each, at 19.99."""
        new = [
            NewProduct(name=f"Lamp {number}", price=Money(1999), category="home", stock=stock)
            for number, stock in enumerate(stocks)
        ]
        add = AddProducts(self.products, self.outbox_of_products, self.clock, self.new_id)
        added = await self.tell(ADMIN.subject, "POST", "/api/products", wire.encode(new), 201, lambda: add(new))
        return [product.id for product in added or []]

    async def restock(self, product_id: str, quantity: int, key: str = "restock") -> Product | None:
        change = StockChange(quantity=quantity)
        asked = Asked("PATCH /products/{product_id}/stock", ADMIN, key, (product_id, change))
        change_stock = ChangeStock(self.products, self.clock)

        async def work() -> Product:
            def answered(product: Product) -> Reply[Product]:
                return Reply(product)

            reply = await self.once_per_key(asked, lambda once: change_stock(product_id, quantity, once=once), answered)
            return reply.value

        path = f"/api/products/{product_id}/stock"
        return await self.tell(ADMIN.subject, "PATCH", path, wire.encode(change), 200, work, key=key)

    async def buy(self, buyer: Principal, wanted: Mapping[str, int], key: str = "key") -> str:
        """The id of the order; empty when none was answered."""
        new = NewOrder(items=tuple(Item(product_id=each, quantity=quantity) for each, quantity in wanted.items()))
        place = self.place_order()
        body = wire.encode(new)
        answer = await self.tell(
            buyer.subject, "POST", "/api/orders", body, 201, lambda: place(buyer, new, key), key=key
        )
        return "" if answer is None else wire.decoder(Order).decode(answer).id

    async def cancel(self, buyer: Principal, order_id: str) -> None:
        cancel = CancelOrder(self.orders, self.outbox_of_orders, self.clock, changed=_nobody_of)
        path = f"/api/orders/{order_id}/cancel"
        await self.tell(buyer.subject, "POST", path, b"", 200, lambda: _answered(cancel(order_id, buyer)))

    async def look(self, buyer: Principal, order_id: str) -> None:
        read = ReadOrders(self.orders)
        path = f"/api/orders/{order_id}"
        await self.tell(buyer.subject, "GET", path, b"", 200, lambda: _answered(read.one(order_id, buyer)))

    async def tell(  # noqa: PLR0917 - reads as a request and its answer
        self,
        by: str,
        method: str,
        path: str,
        body: bytes,
        status: int,
        work: Callable[[], Awaitable[T]],
        *,
        key: str = "",
    ) -> T | None:
        """Do the work as the answer to a request, and write both down; None for a refusal, or when it crashed.

        A refusal for the request's form is raised: the test has made a mistake.
        """
        number = self.history.sent(by=by, method=method, path=path, key=key, body=body)
        try:
            value = await work()
        except Crash as crash:
            self.history.unanswered(number, str(crash))
            return None
        except Problem as problem:
            if problem.status == 422:
                raise
            self.history.answered(number, problem.status, wire.encode(problem.details()))
            return None
        self.history.answered(number, status, value if isinstance(value, bytes) else wire.encode(value))
        return value

    # What the services do.

    def place_order(self) -> PlaceOrder:
        return PlaceOrder(
            database=self.orders,
            products=self.at_products,
            clock=self.clock,
            new_id=self.new_id,
            outbox=self.outbox_of_orders,
            currency="EUR",
            ask_after=timedelta(seconds=30),
        )

    async def come_to_rest(self) -> None:
        """Everybody hears of everything that has happened."""
        while await self._post_to_products.carry() + await self._post_to_orders.carry():
            pass

    async def settle(self, order_id: str) -> None:
        """Products makes a hold the order's own, whatever orders says."""
        await self.products.transaction(lambda tx: self.settle_orders(tx, [Placed(order_id)]))

    async def ship(self, order_id: str, status: Status = Status.SHIPPED) -> None:
        await ShipOrder(self.orders, self.outbox_of_orders, self.clock, changed=_nobody_of)(order_id, status, ADMIN)

    async def sweep(self) -> None:
        """Products asks orders about the holds that ran out."""
        await FreeLapsedHolds(self.products, self, self.settle_orders, self.clock)()

    async def exists(self, order_id: str) -> bool:
        """What orders says of an order."""
        return await self.orders.read(lambda reading: orders_store.exists(reading, order_id))

    # What is found.

    async def report(self, *, system_runs: bool = False, patience: float = 0.0) -> Report:
        urls = {name: self._url(name) for name in ("users", "products", "orders")}
        return await Verification(urls, [self.history.path], system_runs, patience, self.clock).report()

    async def verdicts(self, *, system_runs: bool = False) -> dict[int, Verdict]:
        """By the number of the promise."""
        return {verdict.number: verdict for verdict in (await self.report(system_runs=system_runs)).verdicts}

    async def broken(self, *, system_runs: bool = False) -> set[int]:
        """The promises that are found broken."""
        verdicts = await self.verdicts(system_runs=system_runs)
        return {number for number, verdict in verdicts.items() if verdict.outcome is Outcome.BROKEN}

    def _url(self, name: str) -> str:
        return f"sqlite:///{self.folder}/{name}.db"

    def _database(self, name: str) -> Database:
        return open_database(self._url(name), clock=self.clock)

    async def _register(self, user: User) -> User:
        now = to_millis(user.created_at)
        sql = """
            INSERT INTO users (id, name, email, email_key, password_hash, is_admin, created_at, updated_at)
            VALUES ($1, $2, $3, $3, '', 0, $4, $4)
        """
        await self.users.transaction(lambda tx: tx.execute(sql, user.id, user.name, user.email, now))
        return user


def _nobody_of(_order_ids: Sequence[str]) -> None:
    """Nobody follows orders here."""


async def _answered(order: Awaitable[domain.Order]) -> Order:
    return order_answer(await order)
