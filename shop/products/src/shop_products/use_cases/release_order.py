"""Give the stock of cancelled orders back, once, and for good."""

from collections.abc import Sequence
from dataclasses import dataclass

from atoll.clock import Clock, to_millis
from atoll.storage import Database, Transaction
from shop_products.contention import settle_contention
from shop_products.domain import StockCause
from shop_products.store import reservations, stock


@dataclass(frozen=True)
class ReleaseOrder:
    database: Database
    clock: Clock

    async def __call__(self, order_id: str) -> None:
        """In a transaction of its own."""
        await settle_contention(self.database, lambda tx: self.within(tx, [order_id]))

    async def within(self, tx: Transaction, order_ids: Sequence[str]) -> None:
        """Does nothing the second time. One that comes before its reservation makes that impossible.

        Raises `Overtaken` when a hold was written meanwhile: then it is to be done anew.
        """
        now = to_millis(self.clock.now())
        in_order = sorted(set(order_ids))  # the same for all, and the stock of all at once: nobody waits for each other
        lines_of = {order_id: await reservations.release(tx, order_id, now) for order_id in in_order}
        await stock.give_back(tx, lines_of, StockCause.RELEASED, now)
