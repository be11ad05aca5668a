"""One step of an order from state to state, within a transaction."""

from datetime import datetime

from atoll.clock import from_millis, to_millis
from atoll.identity.principal import Principal
from atoll.storage import Transaction
from shop_orders import store
from shop_orders.domain import MoveNotAllowed, Order, Owed, Status
from shop_orders.use_cases.read_orders import visible


async def move_order(
    tx: Transaction, order_id: str, status: Status, *, by: Principal, now: datetime, owed: Owed | None = None
) -> Order:
    """The order in its new state, with what products must then be told of it.

    Raises `OrderNotFound`, also when `by` may not see it, or `MoveNotAllowed`.
    """
    order = visible(await store.find(tx, order_id), order_id, by)
    moved = order.moved_to(status, from_millis(to_millis(now)))
    if not await store.move(tx, moved, owed):
        raise MoveNotAllowed(visible(await store.find(tx, order_id), order_id, by), status)
    return moved
