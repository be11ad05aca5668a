"""Announce the cancellations that older versions of this service had still to tell products of. For the start."""

from dataclasses import dataclass

from atoll.events import Outbox
from atoll.storage import Database, Transaction
from shop_contracts.events import ORDER_CANCELLED, OrderMoved
from shop_orders.store import untold

AT_ONCE = 100


@dataclass(frozen=True)
class TellCancellations:
    database: Database
    outbox: Outbox

    async def __call__(self) -> int:
        """How many there were; none, from the second time on."""
        told = 0
        while some := await self.database.transaction(self._tell_some):
            told += some
        return told

    async def _tell_some(self, tx: Transaction) -> int:
        found = await untold.take(tx, AT_ONCE)
        for order_id, user_id, sequence in found:
            data = OrderMoved(order_id=order_id, user_id=user_id, status="cancelled")
            await self.outbox.announce(tx, ORDER_CANCELLED, subject=order_id, sequence=sequence, data=data)
        return len(found)
