"""Whatever happens to orders, in whatever order, stock is what a simple model says."""

import asyncio
import contextlib
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from atoll.events import Outbox
from atoll.events.envelope import read_envelope
from atoll.ids import uuid7
from atoll.storage import Transaction, load_migrations, open_database
from atoll.testing.clock import ManualClock
from shop_contracts.events import INVENTORY_UPDATED
from shop_contracts.items import Item
from shop_contracts.money import Money
from shop_contracts.products import NewProduct, NewReservation
from shop_products.domain import InsufficientStock, ItemsDiffer, ReservationReleased, StockOutOfBounds
from shop_products.store import reservations
from shop_products.use_cases.add_products import AddProducts
from shop_products.use_cases.change_stock import ChangeStock
from shop_products.use_cases.free_lapsed_holds import GRACE, FreeLapsedHolds
from shop_products.use_cases.release_order import ReleaseOrder
from shop_products.use_cases.reserve import Reserve
from shop_products.use_cases.settle_orders import Placed, SettleOrders

T = TypeVar("T")

HOLD = timedelta(minutes=10)
FIRST_STOCK = 6
orders = st.sampled_from(["o1", "o2", "o3", "o4"])
baskets = st.tuples(*[st.integers(0, 3)] * 3).filter(any)


@dataclass
class Hold:
    """The model of a reservation."""

    basket: tuple[int, ...]
    state: str
    ends: datetime


class LifeOfStock(RuleBasedStateMachine):
    """Three products, four orders, and everything that products can be asked to do with them."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.runner = self.stack.enter_context(asyncio.Runner())
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.clock = ManualClock()
        self.database = open_database(f"sqlite:///{folder}/products.db")
        self.placed: set[str] = set()
        self.holds: dict[str, Hold] = {}
        self.run(self.database.__aenter__())
        self.run(self.database.migrate(load_migrations("shop_products")))
        self.outbox = Outbox("products", clock=self.clock)
        self.settle_now = SettleOrders(self.outbox, self.clock)
        self.reserve_now = Reserve(self.database, self.clock, HOLD)
        new = [NewProduct(name=f"P{n}", price=Money(100), category="c", stock=FIRST_STOCK) for n in range(3)]
        added = self.run(AddProducts(self.database, self.outbox, self.clock, uuid7(self.clock))(new))
        self.products = [product.id for product in added]
        self.stock = [FIRST_STOCK] * 3

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def teardown(self) -> None:
        self.run(self.database.__aexit__(None, None, None))
        self.stack.close()

    async def exists(self, order_id: str) -> bool:
        return order_id in self.placed

    def move(self, basket: tuple[int, ...], sign: int) -> None:
        self.stock = [have + sign * quantity for have, quantity in zip(self.stock, basket, strict=True)]

    @rule(order_id=orders, basket=baskets)
    def reserve(self, order_id: str, basket: tuple[int, ...]) -> None:
        refusal = self.expected_refusal(order_id, basket)
        items = [Item(product_id=p, quantity=q) for p, q in zip(self.products, basket, strict=True) if q]
        wanted = NewReservation(order_id=order_id, items=tuple(items))
        if refusal is not None:
            with pytest.raises(refusal):
                self.run(self.reserve_now(wanted))
            return
        self.run(self.reserve_now(wanted))
        self.note_reserved(order_id, basket)

    def expected_refusal(self, order_id: str, basket: tuple[int, ...]) -> type[Exception] | None:
        hold = self.holds.get(order_id)
        if hold is not None and hold.state == "released":
            return ReservationReleased
        if hold is not None and hold.basket != basket:
            return ItemsDiffer
        takes = hold is None or hold.state == "expired"
        short = any(have < wanted for have, wanted in zip(self.stock, basket, strict=True))
        return InsufficientStock if takes and short else None

    def note_reserved(self, order_id: str, basket: tuple[int, ...]) -> None:
        hold = self.holds.get(order_id)
        now = self.clock.now()
        if hold is None or hold.state == "expired":
            self.move(basket, -1)
            self.holds[order_id] = Hold(basket, "held", now + HOLD)
        elif hold.state == "held" and now >= hold.ends:
            hold.ends = now + HOLD

    @rule(order_id=orders)
    def place(self, order_id: str) -> None:
        hold = self.holds.get(order_id)
        if hold is not None and hold.state == "held" and self.clock.now() < hold.ends:
            self.placed.add(order_id)

    @rule(order_ids=st.lists(orders, min_size=1, max_size=4))
    def settle(self, order_ids: list[str]) -> None:
        async def settle(tx: Transaction) -> None:
            for order_id in order_ids:
                await self.settle_now(tx, [Placed(order_id)])

        before = len(self.answers())
        self.run(self.database.transaction(settle))
        for order_id in order_ids:
            if order_id in self.holds and self.holds[order_id].state == "held":
                self.holds[order_id].state = "settled"

        assert [(o, self.expected_answer(o)) for o in order_ids] == self.answers()[before:]

    def expected_answer(self, order_id: str) -> str:
        return "confirmed" if order_id in self.holds and self.holds[order_id].state == "settled" else "rejected"

    def answers(self) -> list[tuple[str, str]]:
        """Order and status of every answer to orders so far."""
        sql = "SELECT body FROM outbox WHERE type = 'inventory.updated' ORDER BY rowid"
        bodies = self.run(self.database.fetch_all(sql))
        updates = [INVENTORY_UPDATED.read(read_envelope(bytes(body))) for (body,) in bodies]
        return [(update.subject, update.data.status) for update in updates]

    @rule(order_id=orders)
    def release(self, order_id: str) -> None:
        self.run(ReleaseOrder(self.database, self.clock)(order_id))
        hold = self.holds.setdefault(order_id, Hold((0, 0, 0), "released", self.clock.now()))
        if hold.state in ("held", "settled"):
            self.move(hold.basket, +1)
        hold.state = "released"

    @rule(minutes=st.integers(1, 11))
    def let_holds_run_out(self, minutes: int) -> None:
        self.run(self.clock.advance(minutes * 60))
        self.run(FreeLapsedHolds(self.database, self, self.settle_now, self.clock)())
        for order_id, hold in self.holds.items():
            if hold.state == "held" and hold.ends <= self.clock.now() - GRACE:
                if order_id not in self.placed:
                    self.move(hold.basket, +1)
                hold.state = "settled" if order_id in self.placed else "expired"

    @rule(product=st.integers(0, 2), quantity=st.integers(-4, 4).filter(bool))
    def restock(self, product: int, quantity: int) -> None:
        change = ChangeStock(self.database, self.clock)(self.products[product], quantity)
        if self.stock[product] + quantity < 0:
            with pytest.raises(StockOutOfBounds):
                self.run(change)
        else:
            self.run(change)
            self.stock[product] += quantity

    @invariant()
    def stock_is_what_the_model_says(self) -> None:
        rows = self.run(self.database.fetch_all("SELECT product_id, available FROM stock"))

        assert dict(zip(self.products, self.stock, strict=True)) == dict(rows)

    @invariant()
    def stock_is_the_sum_of_its_changes(self) -> None:
        sql = "SELECT product_id, sum(change) FROM stock_ledger GROUP BY product_id"
        rows = self.run(self.database.fetch_all(sql))

        assert dict(zip(self.products, self.stock, strict=True)) == dict(rows)

    @invariant()
    def every_reservation_is_in_the_state_that_the_model_says(self) -> None:
        for order_id, hold in self.holds.items():
            found = self.run(self.database.read(partial(reservations.find, order_id=order_id)))

            assert found is not None
            assert hold.state == found.state


TestLifeOfStock = LifeOfStock.TestCase
TestLifeOfStock.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
