"""Make holds the orders' own: the orders are there to stay."""

from collections.abc import Sequence
from dataclasses import dataclass

from atoll.clock import Clock, to_millis
from atoll.storage import Database, Transaction
from shop_products.store import reservations


@dataclass(frozen=True)
class Settle:
    database: Database
    clock: Clock

    async def __call__(self, order_ids: Sequence[str]) -> tuple[str, ...]:
        """Those of the orders that are settled now, or were before; the others have no hold (any more)."""
        now = to_millis(self.clock.now())

        async def settle(tx: Transaction) -> tuple[str, ...]:
            await reservations.settle(tx, order_ids, now)
            return await reservations.settled(tx, order_ids)

        return await self.database.transaction(settle)
