"""Ask products about orders that have been pending for long, and decide them. Neither side guesses.

    settled              ─► confirmed
    released, expired,
    or never heard of    ─► cancelled, with the reason
    held                 ─► `order.created` is on its way, or was lost: it is told again

An order that is cancelled here tells so, and products gives back what it may have of it, and holds nothing for it any
more. So no stock stays with a cancelled order, whatever was on its way meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from atoll.calls import UpstreamProblem
from atoll.clock import Clock, to_millis
from atoll.events import Outbox
from atoll.observability.logging import get_logger
from atoll.storage import Database, Transaction
from shop_contracts.products import ReservationState
from shop_orders.domain import Status
from shop_orders.ports import Products
from shop_orders.store import orders
from shop_orders.store.orders import Pending
from shop_orders.use_cases.move_order import confirm_orders, reject_order
from shop_orders.use_cases.place_order import created_event

log = get_logger()

AT_ONCE = 100

LONGEST_PAUSE = 600_000
"""Milliseconds. An order is asked about again when it is twice as old, or so much older."""

_REASONS: dict[ReservationState | None, str] = {
    None: "Products holds no stock for it.",
    "expired": "Its hold on the stock had ended.",
    "released": "Its stock had been given back.",
}


@dataclass(frozen=True)
class AskAboutPending:
    database: Database
    products: Products
    outbox: Outbox
    clock: Clock

    async def __call__(self) -> Sequence[str]:
        """The orders, at most `AT_ONCE`, that were asked about. Raises `CallError` while products can't be asked."""
        now = to_millis(self.clock.now())
        found = await self.database.read(lambda reading: orders.pending(reading, now, AT_ONCE))
        for order in found:
            await self._ask_about(order)
        return [order.order_id for order in found]

    async def _ask_about(self, order: Pending) -> None:
        try:
            state = await self.products.state_of(order.order_id)
        except UpstreamProblem as problem:
            if problem.is_passing:  # with any other error only this one has to wait
                raise
            log.warning("products cannot say what became of an order", order_id=order.order_id, reason=str(problem))
            await self.database.transaction(lambda tx: self._ask_later(tx, order))
            return
        await self.database.transaction(lambda tx: self._decide(tx, order, state))

    async def _decide(self, tx: Transaction, order: Pending, state: ReservationState | None) -> None:
        now = self.clock.now()
        if state == "settled":
            await confirm_orders(tx, self.outbox, {order.order_id: None}, now=now)
        elif state == "held":
            await self._tell_again(tx, order)
        else:
            await reject_order(tx, self.outbox, order.order_id, reason=_REASONS[state], now=now)

    async def _tell_again(self, tx: Transaction, order: Pending) -> None:
        found = await orders.find(tx, order.order_id)
        if found is None or found.status is not Status.PENDING:
            return
        await self.outbox.add(tx, created_event(self.outbox, found, found.lines))
        await self._ask_later(tx, order)

    async def _ask_later(self, tx: Transaction, order: Pending) -> None:
        now = to_millis(self.clock.now())
        await orders.ask_later(tx, order.order_id, now + min(now - order.created_at, LONGEST_PAUSE))
