"""Orders as clients see them."""

from collections.abc import Sequence

from msgspec import UNSET

from shop_contracts import orders as contract
from shop_contracts.orders import OrderLine
from shop_orders.domain import Change, Order


def order_answer(order: Order, lines: tuple[OrderLine, ...] | None = None) -> contract.Order:
    """The order as its buyer sees it. `lines` may be its own as JSON that is ready (`wire.Raw`)."""
    return contract.Order(
        id=order.id,
        user_id=order.user_id,
        items=order.lines if lines is None else lines,
        total_amount=order.total,
        currency=order.currency,
        status=order.status.value,
        created_at=order.created_at,
        updated_at=order.updated_at,
        reason=UNSET if order.reason is None else order.reason,
    )


def change_answer(change: Change) -> contract.StatusChanged:
    """What an order has become, as its buyer is told."""
    return contract.StatusChanged(order_id=change.order_id, status=change.status.value, changed_at=change.at)


def page_answer(orders: Sequence[Order], next_cursor: str | None) -> contract.OrderPage:
    """Some orders as their buyer sees them."""
    return contract.OrderPage(items=[order_answer(order) for order in orders], next_cursor=next_cursor)
