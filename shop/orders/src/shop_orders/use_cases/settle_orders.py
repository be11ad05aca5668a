"""Have products settle the stock of pending orders: then they are confirmed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from atoll.clock import Clock, to_millis
from atoll.observability.logging import get_logger
from atoll.storage import Database, Transaction
from shop_orders import store
from shop_orders.domain import Status
from shop_orders.ports import Products

log = get_logger()


@dataclass(frozen=True)
class SettleOrders:
    database: Database
    products: Products
    clock: Clock
    changed: Callable[[Sequence[str]], None]
    """Told of the orders after each commit."""

    async def __call__(self, order_ids: Sequence[str]) -> None:
        """Confirm the orders that products has settled, and cancel those whose stock is gone.

        Orders that are not pending any more stay as they are. Raises `CallError`.
        """
        settled = await self.products.settle(order_ids)
        refused = [order_id for order_id in order_ids if order_id not in settled]
        now = to_millis(self.clock.now())

        async def write(tx: Transaction) -> None:
            await store.settled(tx, [*settled], Status.CONFIRMED, now)
            await store.settled(tx, refused, Status.CANCELLED, now)

        await self.database.transaction(write)
        self.changed(order_ids)
        if refused:
            log.warning("orders cancelled, because products holds no stock for them", orders=refused)
