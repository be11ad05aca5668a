"""Cancel an order that was not shipped yet. Products is told to take its stock back, now or as soon as it can be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from atoll.clock import Clock
from atoll.identity.principal import Principal
from atoll.storage import Database, Transaction
from shop_orders.domain import Order, Owed, Status
from shop_orders.use_cases.move_order import move_order


@dataclass(frozen=True)
class CancelOrder:
    database: Database
    clock: Clock
    changed: Callable[[Sequence[str]], None]
    """Told of the order after each commit."""
    cancelled: Callable[[], None]
    """Told after each commit: there is stock to be released."""

    async def __call__(self, order_id: str, by: Principal) -> Order:
        """The cancelled order; raises `OrderNotFound` or `MoveNotAllowed`."""
        now = self.clock.now()

        async def cancel(tx: Transaction) -> Order:
            return await move_order(tx, order_id, Status.CANCELLED, by=by, now=now, owed=Owed.RELEASE)

        order = await self.database.transaction(cancel)
        self.changed([order_id])
        self.cancelled()
        return order
