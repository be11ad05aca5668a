"""Orders as clients see them."""

from collections.abc import Sequence

from shop_contracts import orders as contract
from shop_orders.domain import Change, Order


def order_answer(order: Order) -> contract.Order:
    """The order as its buyer sees it."""
    return contract.Order(
        id=order.id,
        user_id=order.user_id,
        items=order.lines,
        total_amount=order.total,
        currency=order.currency,
        status=order.status.value,
        created_at=order.created_at,
        updated_at=order.updated_at,
    )


def change_answer(change: Change) -> contract.StatusChanged:
    """What an order has become, as its buyer is told."""
    return contract.StatusChanged(order_id=change.order_id, status=change.status.value, changed_at=change.at)


def page_answer(orders: Sequence[Order], next_cursor: str | None) -> contract.OrderPage:
    """Some orders as their buyer sees them."""
    return contract.OrderPage(items=[order_answer(order) for order in orders], next_cursor=next_cursor)
