"""Cancel an order that was not shipped yet. Products hears of it, and takes its stock back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from atoll.clock import Clock
from atoll.events import Outbox
from atoll.identity.principal import Principal
from atoll.storage import Database, Transaction
from shop_orders.domain import Order, Status
from shop_orders.use_cases.move_order import move_order


@dataclass(frozen=True)
class CancelOrder:
    database: Database
    outbox: Outbox
    clock: Clock
    changed: Callable[[Sequence[str]], None]
    """Told of the order after each commit."""

    async def __call__(self, order_id: str, by: Principal) -> Order:
        """The cancelled order; raises `OrderNotFound` or `MoveNotAllowed`."""
        now = self.clock.now()

        async def cancel(tx: Transaction) -> Order:
            return await move_order(tx, self.outbox, order_id, Status.CANCELLED, by=by, now=now)

        order = await self.database.transaction(cancel)
        self.changed([order_id])
        return order
