"""Have products take the stock of cancelled orders back."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from atoll.storage import Database
from shop_orders import store
from shop_orders.ports import Products


@dataclass(frozen=True)
class ReleaseOrders:
    database: Database
    products: Products

    async def __call__(self, order_ids: Sequence[str]) -> None:
        """Release each; raises the first error, `CallError` mostly, once all others are done and noted."""
        outcomes = await asyncio.gather(
            *(self.products.release(order_id) for order_id in order_ids), return_exceptions=True
        )
        done = [order_id for order_id, outcome in zip(order_ids, outcomes, strict=True) if outcome is None]
        await self.database.transaction(lambda tx: store.released(tx, done))
        for outcome in outcomes:
            if outcome is not None:
                raise outcome
