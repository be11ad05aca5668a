"""Give the stock of a cancelled order back, once, and for good."""

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
        await settle_contention(self.database, lambda tx: self.within(tx, order_id))

    async def within(self, tx: Transaction, order_id: str) -> None:
        """Does nothing the second time. One that comes before its reservation makes that impossible.

        Raises `Overtaken` when a hold was written meanwhile: then it is to be done anew.
        """
        now = to_millis(self.clock.now())
        lines = await reservations.release(tx, order_id, now)
        await stock.give_back(tx, lines, StockCause.RELEASED, order_id, now)
