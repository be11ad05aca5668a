"""Events in: what this service hears of, and what it does then."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec import UNSET

from atoll.clock import Clock
from atoll.events import Event, Line, On, OnMany, Outbox
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
from shop_orders.use_cases.move_order import confirm_orders, reject_order


@dataclass(frozen=True)
class Subscriptions:
    outbox: Outbox
    clock: Clock

    def table(self) -> Sequence[Line]:
        """Everything this service acts on. Each is right in any order, and however often it comes."""
        return (
            OnMany(INVENTORY_UPDATED, self.decide_orders),
            On(USER_REGISTERED, self.know_buyer),
            On(USER_DELETED, self.mark_buyer_deleted),
        )

    async def decide_orders(self, events: Sequence[Event[InventoryUpdated]], tx: Transaction) -> None:
        """Pending orders are confirmed, or cancelled for the want of stock; any other stays as it is."""
        now = self.clock.now()
        confirmed = {event.data.order_id: event for event in events if event.data.status == "confirmed"}
        if confirmed:
            await confirm_orders(tx, self.outbox, confirmed, now=now)
        for event in events:
            if event.data.status == "rejected":
                await self._reject(event, tx, now)

    async def _reject(self, event: Event[InventoryUpdated], tx: Transaction, now: datetime) -> None:
        reason = "There is no stock for it." if event.data.reason is UNSET else event.data.reason
        await reject_order(tx, self.outbox, event.data.order_id, reason=reason, now=now, cause=event)

    async def know_buyer(self, event: Event[UserRegistered], tx: Transaction) -> None:
        """There is such a user, unless they are gone already."""
        await buyers.know(tx, event.data.user_id)

    async def mark_buyer_deleted(self, event: Event[UserDeleted], tx: Transaction) -> None:
        """The user places no order any more; those that are there go on."""
        await buyers.mark_deleted(tx, event.data.user_id)
