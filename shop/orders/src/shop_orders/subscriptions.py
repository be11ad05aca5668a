"""Events in: what this service hears of, and what it does then."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from atoll.clock import Clock
from atoll.events import Event, On, Outbox
from atoll.storage import Transaction
from shop_contracts.events import (
    INVENTORY_UPDATED,
    USER_DELETED,
    USER_REGISTERED,
    InventoryUpdated,
    UserDeleted,
    UserRegistered,
)
from shop_orders.store import buyers
from shop_orders.use_cases.move_order import confirm_order, reject_order


@dataclass(frozen=True)
class Subscriptions:
    outbox: Outbox
    clock: Clock

    def table(self) -> Sequence[On[Any]]:
        """Everything this service acts on. Each is right in any order, and however often it comes."""
        return (
            On(INVENTORY_UPDATED, self.decide_order),
            On(USER_REGISTERED, self.know_buyer),
            On(USER_DELETED, self.mark_buyer_deleted),
        )

    async def decide_order(self, event: Event[InventoryUpdated], tx: Transaction) -> None:
        """A pending order is confirmed, or cancelled for the want of stock; any other stays as it is."""
        said, now = event.data, self.clock.now()
        if said.status == "confirmed":
            await confirm_order(tx, self.outbox, said.order_id, now=now)
        else:
            reason = "There is no stock for it." if said.reason is UNSET else said.reason
            await reject_order(tx, self.outbox, said.order_id, reason=reason, now=now)

    async def know_buyer(self, event: Event[UserRegistered], tx: Transaction) -> None:
        """There is such a user, unless they are gone already."""
        await buyers.know(tx, event.data.user_id)

    async def mark_buyer_deleted(self, event: Event[UserDeleted], tx: Transaction) -> None:
        """The user places no order any more; those that are there go on."""
        await buyers.mark_deleted(tx, event.data.user_id)
