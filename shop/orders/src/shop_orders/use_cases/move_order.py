"""One step of an order from state to state, and the event that tells of it, within one transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType

from atoll.clock import from_millis, to_millis
from atoll.events import Event, Outbox
from atoll.identity.principal import Principal
from atoll.storage import Transaction
from shop_contracts.events import ORDER_MOVED, OrderMoved
from shop_orders.domain import MoveNotAllowed, Order, Status
from shop_orders.store import orders
from shop_orders.store.orders import Moved
from shop_orders.use_cases.read_orders import visible


async def move_order(
    tx: Transaction, outbox: Outbox, order_id: str, status: Status, *, by: Principal, now: datetime
) -> Order:
    """The order in its new state. Raises `OrderNotFound`, also when `by` may not see it, or `MoveNotAllowed`."""
    order = visible(await orders.find(tx, order_id), order_id, by)
    goal = order.moved_to(status, from_millis(to_millis(now)))
    moved = await orders.move(tx, order_id, status, to_millis(now))
    if moved is None:
        raise MoveNotAllowed(visible(await orders.find(tx, order_id), order_id, by), status)
    await outbox.add(tx, _event(outbox, order_id, status, moved))
    return goal


async def confirm_orders(
    tx: Transaction, outbox: Outbox, order_ids: Mapping[str, Event[Any] | None], *, now: datetime
) -> None:
    """Their stock is their own for good, as the event says that may stand beside each. What is not pending stays."""
    confirmed = await orders.confirm(tx, list(order_ids), to_millis(now))
    events = [
        _event(outbox, order_id, Status.CONFIRMED, moved, cause=order_ids[order_id])
        for order_id, moved in confirmed.items()
    ]
    await outbox.add(tx, *events)


async def reject_order(
    tx: Transaction, outbox: Outbox, order_id: str, *, reason: str, now: datetime, cause: Event[Any] | None = None
) -> None:
    """There is no stock for it. An order that is not pending stays as it is."""
    moved = await orders.reject(tx, order_id, to_millis(now), reason)
    if moved is not None:
        await outbox.add(tx, _event(outbox, order_id, Status.CANCELLED, moved, reason=reason, cause=cause))


def _event(
    outbox: Outbox,
    order_id: str,
    status: Status,
    moved: Moved,
    *,
    reason: str | UnsetType = UNSET,
    cause: Event[Any] | None = None,
) -> Event[OrderMoved]:
    """That an order has come to this state."""
    data = OrderMoved(order_id=order_id, user_id=moved.user_id, status=status.value, reason=reason)
    return outbox.event(ORDER_MOVED[status], subject=order_id, sequence=moved.sequence, data=data, cause=cause)
