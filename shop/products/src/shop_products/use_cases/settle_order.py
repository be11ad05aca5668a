"""Make the hold of an order that was placed its own for good, and tell whether it has its stock.

held, settled          ─► settled, `inventory.updated` confirmed
released, expired,
or never reserved      ─► stays so, `inventory.updated` rejected with the reason
"""

from dataclasses import dataclass

from msgspec import UNSET

from atoll.clock import Clock, to_millis
from atoll.events import Outbox
from atoll.storage import Transaction
from shop_contracts.events import INVENTORY_UPDATED, InventoryUpdated
from shop_contracts.products import ReservationState
from shop_products.store import reservations

_REASONS: dict[ReservationState | None, str] = {
    None: "Nothing is held for it.",
    "expired": "Its hold on the stock had ended.",
    "released": "Its stock was given back.",
}


@dataclass(frozen=True)
class SettleOrder:
    outbox: Outbox
    clock: Clock

    async def __call__(self, tx: Transaction, order_id: str, *, sequence: int) -> None:
        """Within `tx`; may be repeated. `sequence` is that of the event which told of the order."""
        state = await reservations.settle(tx, order_id, to_millis(self.clock.now()))
        is_settled = state == "settled"
        data = InventoryUpdated(
            order_id=order_id,
            status="confirmed" if is_settled else "rejected",
            reason=UNSET if is_settled else _REASONS[state],
        )
        await self.outbox.announce(tx, INVENTORY_UPDATED, subject=order_id, sequence=sequence, data=data)
