"""Orders and products as they are, on databases that are given, with neither a network nor a background."""

import itertools
from collections.abc import Callable, Sequence
from datetime import timedelta

from atoll.clock import Clock, to_millis
from atoll.events import Outbox
from atoll.identity.principal import Principal
from atoll.storage import Database, Row, Transaction
from shop_contracts.items import Item
from shop_contracts.money import Money
from shop_contracts.orders import NewOrder
from shop_contracts.products import NewProduct, NewReservation, Reservation, ReservationState
from shop_orders.subscriptions import Subscriptions as SubscriptionsOfOrders
from shop_orders.use_cases.cancel_order import CancelOrder
from shop_orders.use_cases.place_order import PlaceOrder
from shop_products.store import reservations
from shop_products.subscriptions import Subscriptions as SubscriptionsOfProducts
from shop_products.use_cases.add_products import AddProducts
from shop_products.use_cases.release_order import ReleaseOrder
from shop_products.use_cases.reserve import Reserve
from shop_products.use_cases.settle_orders import SettleOrders

HOLD = timedelta(minutes=10)


class BothServices:
    """One process of each. Ids count from 0: `order-0`, `product-0`."""

    def __init__(self, orders: Database, products: Database, clock: Clock) -> None:
        self.clock = clock
        self.outbox_of_orders, self.outbox_of_products = Outbox("orders", clock=clock), Outbox("products", clock=clock)
        self.orders = self.outbox_of_orders.waking(orders)
        self.products = self.outbox_of_products.waking(products)
        self.reserve_now = Reserve(self.products, clock, HOLD)
        self.lines_of_orders = SubscriptionsOfOrders(self.outbox_of_orders, clock).table()
        self.lines_of_products = SubscriptionsOfProducts(
            SettleOrders(self.outbox_of_products, clock), ReleaseOrder(self.products, clock)
        ).table()
        self.place_order = PlaceOrder(
            self.orders,
            self,
            clock,
            counted("order"),
            self.outbox_of_orders,
            "EUR",
            ask_after=timedelta(seconds=30),
        )

    async def reserve(self, order_id: str, items: Sequence[Item]) -> Reservation:
        return await self.reserve_now(NewReservation(order_id=order_id, items=tuple(items)))

    async def state_of(self, order_id: str) -> ReservationState | None:
        found = await self.products.read(lambda reading: reservations.find(reading, order_id))
        return None if found is None else found.state

    async def stock_up(self, stock: int) -> None:
        """`product-0`, of which there are so many."""
        add = AddProducts(self.products, self.outbox_of_products, self.clock, counted("product"))
        await add([NewProduct(name="Lamp", price=Money(1990), category="home", stock=stock)])

    async def place(self, buyer: str, quantity: int, key: str | None = None) -> bytes:
        """Order so many of the only product."""
        wanted = NewOrder(items=(Item(product_id="product-0", quantity=quantity),))
        return await self.place_order(Principal(buyer), wanted, key)

    async def cancel(self, order_id: str, buyer: str) -> None:
        await CancelOrder(self.orders, self.outbox_of_orders, self.clock, changed=lambda _: None)(
            order_id, Principal(buyer)
        )

    async def lose(self, order_id: str) -> None:
        """Products ends a hold without asking anybody, as it must not."""
        sql = "UPDATE reservations SET state = 'expired', updated_at = $2 WHERE order_id = $1"

        async def end(tx: Transaction) -> None:
            await tx.execute(sql, order_id, to_millis(self.clock.now()))

        await self.products.transaction(end)


async def state(orders: Database, products: Database) -> list[list[Row]]:
    """All that the services know, but when they learned of it, and what they have said."""
    moves = "SELECT order_id, cause, sum(change) FROM stock_ledger GROUP BY 1, 2 ORDER BY 1, 2"
    return [
        await orders.fetch_all("SELECT id, status, sequence, reason FROM orders ORDER BY id"),
        await orders.fetch_all("SELECT user_id, is_deleted FROM buyers ORDER BY user_id"),
        await products.fetch_all("SELECT order_id, state FROM reservations ORDER BY order_id"),
        await products.fetch_all("SELECT product_id, available FROM stock ORDER BY product_id"),
        await products.fetch_all(moves),
        await orders.fetch_all("SELECT event_id FROM inbox_failures"),
        await products.fetch_all("SELECT event_id FROM inbox_failures"),
    ]


def counted(what: str) -> Callable[[], str]:
    """Ids that count from 0."""
    numbers = itertools.count()
    return lambda: f"{what}-{next(numbers)}"
