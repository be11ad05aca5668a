"""Events in: what this service hears of, and what it does then."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from atoll.events import Event, On
from atoll.storage import Transaction
from shop_contracts.events import ORDER_CANCELLED, ORDER_CREATED, OrderNamed
from shop_products.use_cases.release_order import ReleaseOrder
from shop_products.use_cases.settle_order import SettleOrder


@dataclass(frozen=True)
class Subscriptions:
    settle_order: SettleOrder
    release_order: ReleaseOrder

    def table(self) -> Sequence[On[Any]]:
        """Everything this service acts on. Each is right in any order, and however often it comes."""
        return (
            On(ORDER_CREATED.read_as(OrderNamed), self.settle),
            On(ORDER_CANCELLED.read_as(OrderNamed), self.release),
        )

    async def settle(self, event: Event[OrderNamed], tx: Transaction) -> None:
        """Its hold is its own for good, or it has none: either is told."""
        await self.settle_order(tx, event.data.order_id, sequence=event.sequence)

    async def release(self, event: Event[OrderNamed], tx: Transaction) -> None:
        """Its stock can be sold again, and is never held for it any more."""
        await self.release_order.within(tx, event.data.order_id)
