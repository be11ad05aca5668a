"""Place an order: hold its lines at products, then write it down.

    reserve all lines in one call ─► one transaction {answer, order, event} ─► 201
         └──────── refused ───────────────────┴─► is there an answer to the key? the same bytes again

An attempt that dies in between leaves a hold and nothing else. The next attempt with the same Idempotency-Key finds
it, because the id of the order comes from user and key; without one, products frees it when it has run out. A request
that comes again finds its hold as well, and then its answer: so one that is new need not look first.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import cast

from atoll import wire
from atoll.clock import Clock, from_millis, to_millis
from atoll.events import Event, Outbox
from atoll.idempotency import Asked, KeyedRequest, KeyUsedDifferently, kept_answers
from atoll.identity.principal import Principal
from atoll.ids import NewId
from atoll.problems import Problem
from atoll.storage import Database, Reading, UniqueViolated
from shop_contracts.events import ORDER_CREATED, OrderCreated
from shop_contracts.orders import NewOrder, OrderLine
from shop_contracts.products import Reservation
from shop_orders.answers import order_answer
from shop_orders.domain import (
    NotTheBuyer,
    OnlyUsersOrder,
    Order,
    ProductsUnavailable,
    place,
)
from shop_orders.order_ids import order_id
from shop_orders.ports import ItemsDiffer, Products, ReservationReleased
from shop_orders.store import orders
from shop_orders.use_cases.write_orders import Placement, WriteOrders

ROUTE = "POST /orders"


@dataclass(frozen=True)
class PlaceOrder:
    database: Database
    products: Products
    clock: Clock
    new_id: NewId
    outbox: Outbox
    currency: str
    ask_after: timedelta
    """How long an order may be pending before products is asked about it."""

    async def __call__(self, buyer: Principal, wanted: NewOrder, key: str | None = None) -> bytes:
        """The answer as JSON, once the order is durable; for a key that was used before, the same bytes as then.

        Raises `InsufficientStock`, `ProductNotFound`, `ProductsUnavailable`, `NotTheBuyer`, `OnlyUsersOrder`,
        `AccountDeleted` or `KeyUsedDifferently`. A refusal is not remembered.
        """
        _refuse_others(buyer, wanted)
        request = Asked(ROUTE, buyer, key, wanted.items).keyed(self.clock.now())
        if request is None:
            return await self._reserve_and_commit(self.new_id(), buyer.subject, wanted, None)
        return await self._once(request, wanted)

    async def _once(self, request: KeyedRequest, wanted: NewOrder) -> bytes:
        """Try as if the key were new, which it nearly always is; whatever stands in the way, look what is there."""
        tried = order_id(request, placed_before=0)
        while True:
            try:
                return await self._reserve_and_commit(tried, request.caller, wanted, request)
            except (Problem, ItemsDiffer, ReservationReleased, UniqueViolated) as refusal:
                known = await self._known(request)
                if isinstance(known, bytes):
                    return known
                if known == tried:
                    raise _as_problem(refusal) from refusal
            tried = known  # the key was used before, so long ago that it is forgotten

    async def _known(self, request: KeyedRequest) -> bytes | str:
        """The answer that is kept for the request, or the id of the order it is to make."""

        async def look(reading: Reading) -> bytes | str:
            kept = await kept_answers.find(reading, request)
            return kept.body if kept else await _next_order_id(reading, request)

        return await self.database.read(look)

    async def _reserve_and_commit(
        self, order_id: str, user_id: str, wanted: NewOrder, request: KeyedRequest | None
    ) -> bytes:
        hold = await self.products.reserve(order_id, wanted.items)
        now = from_millis(to_millis(self.clock.now()))
        order = place(order_id, user_id, _lines(hold), self.currency, now)
        return await self._commit(order, hold, request)

    async def _commit(self, order: Order, hold: Reservation, request: KeyedRequest | None) -> bytes:
        text = wire.encode(order.lines)
        lines = cast("tuple[OrderLine, ...]", wire.Raw(text))  # written once, for the answer, the row and the event
        placement = Placement(
            row=orders.new_row(order, text.decode(), ask_at=to_millis(order.created_at + self.ask_after)),
            event=created_event(self.outbox, order, lines),
            hold=hold,
            answer=wire.encode(order_answer(order, lines)),
            request=request,
        )
        return await self._write_order(placement)

    @cached_property
    def _write_order(self) -> WriteOrders:
        return WriteOrders(self.database, self.outbox, self.clock)


def created_event(outbox: Outbox, order: Order, lines: tuple[OrderLine, ...]) -> Event[OrderCreated]:
    """That there is an order; `lines` are its own."""
    data = OrderCreated(order_id=order.id, user_id=order.user_id, items=lines, total_amount=order.total)
    return outbox.event(ORDER_CREATED, subject=order.id, sequence=1, data=data)


def _refuse_others(buyer: Principal, wanted: NewOrder) -> None:
    if buyer.is_service:
        raise OnlyUsersOrder
    if isinstance(wanted.user_id, str) and wanted.user_id != buyer.subject:
        raise NotTheBuyer


def _as_problem(refusal: Exception) -> Problem:
    match refusal:
        case Problem():
            return refusal
        case ItemsDiffer():
            return KeyUsedDifferently()
        case _:  # somebody is about to finish, or to cancel, what we have tried
            return ProductsUnavailable()


async def _next_order_id(reading: Reading, request: KeyedRequest) -> str:
    placed = 0
    while await orders.exists(reading, found := order_id(request, placed)):
        placed += 1
    return found


def _lines(hold: Reservation) -> list[OrderLine]:
    return [
        OrderLine(product_id=line.product_id, name=line.name, quantity=line.quantity, price=line.price)
        for line in hold.items
    ]
