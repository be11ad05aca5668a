"""Orders as clients see them."""

from collections.abc import Sequence

from shop_contracts import orders as contract
from shop_orders.domain import Order


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


def page_answer(orders: Sequence[Order], next_cursor: str | None) -> contract.OrderPage:
    """Some orders as their buyer sees them."""
    return contract.OrderPage(items=[order_answer(order) for order in orders], next_cursor=next_cursor)
