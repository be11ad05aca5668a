"""Make the holds of orders that were placed their own for good, and tell of each whether it has its stock.

held, settled          ─► settled, `inventory.updated` confirmed
released, expired,
or never reserved      ─► stays so, `inventory.updated` rejected with the reason
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgspec import UNSET

from atoll.clock import Clock, to_millis
from atoll.events import Event, Outbox
from atoll.storage import Transaction
from shop_contracts.events import INVENTORY_UPDATED, InventoryUpdated
from shop_contracts.products import ReservationState
from shop_products.store import reservations

_REASONS: dict[ReservationState | None, str] = {
    None: "Nothing is held for it.",
    "expired": "Its hold on the stock had ended.",
    "released": "Its stock was given back.",
}


class Placed(NamedTuple):
    """An order that was placed, and the event that told of it, if one did. It is an order's first."""

    order_id: str
    sequence: int = 1
    told_by: Event[Any] | None = None


@dataclass(frozen=True)
class SettleOrders:
    outbox: Outbox
    clock: Clock

    async def __call__(self, tx: Transaction, placed: Sequence[Placed]) -> None:
        """All of them within `tx`; may be repeated."""
        now = to_millis(self.clock.now())
        states = await reservations.settle(tx, [order.order_id for order in placed], now)
        await self.outbox.add(tx, *(self._answer(order, states.get(order.order_id)) for order in placed))

    def _answer(self, order: Placed, state: ReservationState | None) -> Event[InventoryUpdated]:
        is_settled = state == "settled"
        data = InventoryUpdated(
            order_id=order.order_id,
            status="confirmed" if is_settled else "rejected",
            reason=UNSET if is_settled else _REASONS[state],
        )
        return self.outbox.event(
            INVENTORY_UPDATED, subject=order.order_id, sequence=order.sequence, data=data, cause=order.told_by
        )
