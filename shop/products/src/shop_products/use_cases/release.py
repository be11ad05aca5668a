"""Give the stock of a cancelled order back, once, and for good."""

from dataclasses import dataclass

from atoll.clock import Clock, to_millis
from atoll.storage import Database, Transaction
from shop_products.contention import settle_contention
from shop_products.domain import StockCause
from shop_products.store import reservations, stock


@dataclass(frozen=True)
class Release:
    database: Database
    clock: Clock

    async def __call__(self, order_id: str) -> None:
        """Does nothing the second time. One that comes before its reservation makes that impossible."""
        now = to_millis(self.clock.now())

        async def release(tx: Transaction) -> None:
            lines = await reservations.release(tx, order_id, now)
            await stock.give_back(tx, lines, StockCause.RELEASED, order_id, now)

        await settle_contention(self.database, release)
