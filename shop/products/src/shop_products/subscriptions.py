"""Events in: what this service hears of, and what it does then."""

from collections.abc import Sequence
from dataclasses import dataclass

from atoll.events import Event, Line, OnMany
from atoll.storage import Transaction
from shop_contracts.events import ORDER_CANCELLED, ORDER_CREATED, OrderNamed
from shop_products.use_cases.release_order import ReleaseOrder
from shop_products.use_cases.settle_orders import Placed, SettleOrders


@dataclass(frozen=True)
class Subscriptions:
    settle_orders: SettleOrders
    release_order: ReleaseOrder

    def table(self) -> Sequence[Line]:
        """Everything this service acts on. Each is right in any order, and however often it comes."""
        return (
            OnMany(ORDER_CREATED.read_as(OrderNamed), self.settle),
            OnMany(ORDER_CANCELLED.read_as(OrderNamed), self.release),
        )

    async def settle(self, events: Sequence[Event[OrderNamed]], tx: Transaction) -> None:
        """The hold of each order is its own for good, or it has none: either is told."""
        await self.settle_orders(tx, [Placed(event.data.order_id, event.sequence, event) for event in events])

    async def release(self, events: Sequence[Event[OrderNamed]], tx: Transaction) -> None:
        """The stock of each order can be sold again, and is never held for it any more."""
        await self.release_order.within(tx, [event.data.order_id for event in events])
