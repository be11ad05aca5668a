"""What orders answers and accepts."""

from typing import Literal, TypeAlias

from msgspec import UNSET, UnsetType

from atoll.wire import Model, StrictModel
from shop_contracts.items import Items, refuse_repeated_products
from shop_contracts.moments import Moment
from shop_contracts.money import Money

OrderStatus: TypeAlias = Literal["pending", "confirmed", "shipped", "delivered", "cancelled"]


class OrderLine(Model):
    """So many of one product, at the price it had when the order was placed."""

    product_id: str
    name: str
    quantity: int
    price: Money


class Order(Model):
    """An order as its buyer sees it. `reason` says why it is cancelled, if it was not the buyer who did."""

    id: str
    user_id: str
    items: tuple[OrderLine, ...]
    total_amount: Money
    currency: str
    status: OrderStatus
    created_at: Moment
    updated_at: Moment
    reason: str | UnsetType = UNSET


class OrderPage(Model):
    """Some orders, newest first, and where the next ones begin; `next_cursor` is null after the last."""

    items: list[Order]
    next_cursor: str | None


class NewOrder(StrictModel):
    """What the signed-in user wants to buy. `user_id` need not be given; when it is, it is their own id."""

    items: Items
    user_id: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        refuse_repeated_products(self.items)


class StatusChanged(Model):
    """An order has come to this state: the data of an event of `GET /orders/{id}/events`."""

    order_id: str
    status: OrderStatus
    changed_at: Moment


class StatusChange(StrictModel):
    """Where an order is to move next."""

    status: Literal["shipped", "delivered"]
