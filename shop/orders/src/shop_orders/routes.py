"""HTTP in: who may ask what, and which use case answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, cast

from atoll import wire
from atoll.endpoints import Admin, Query, Reply, Route, Stream
from atoll.endpoints.server_sent_events import LastEventId
from atoll.idempotency import IdempotencyKey, KeyUsedDifferently
from atoll.identity.principal import Principal
from shop_contracts.orders import NewOrder, Order, OrderPage, StatusChange
from shop_orders.answers import order_answer
from shop_orders.domain import (
    AccountDeleted,
    InsufficientStock,
    MoveNotAllowed,
    NotTheBuyer,
    OnlyUsersOrder,
    OrderNotFound,
    OrdersNotFound,
    ProductNotFound,
    ProductsUnavailable,
    Status,
    StreamsExhausted,
    TooManyStreams,
)
from shop_orders.use_cases.cancel_order import CancelOrder
from shop_orders.use_cases.follow_order import FollowOrder
from shop_orders.use_cases.place_order import PlaceOrder
from shop_orders.use_cases.read_orders import PageQuery, ReadOrders
from shop_orders.use_cases.ship_order import ShipOrder

Page = Annotated[PageQuery, Query()]


@dataclass(frozen=True)
class Routes:
    place_order: PlaceOrder
    read_orders: ReadOrders
    cancel_order: CancelOrder
    ship_order: ShipOrder
    follow_order: FollowOrder

    def table(self) -> Sequence[Route]:
        """Everything this service answers."""
        refused = (
            InsufficientStock, ProductNotFound, ProductsUnavailable, NotTheBuyer, OnlyUsersOrder, AccountDeleted,
            KeyUsedDifferently,
        )  # fmt: skip
        moving = (OrderNotFound, MoveNotAllowed)
        following = (OrderNotFound, TooManyStreams, StreamsExhausted)
        return (
            Route("POST", "/orders", self.post_order, status=201, problems=refused),
            Route("GET", "/orders", self.get_orders),
            Route("GET", "/orders/{order_id}", self.get_order, problems=[OrderNotFound]),
            Route("GET", "/orders/{order_id}/events", self.get_events, problems=following),
            Route("POST", "/orders/{order_id}/cancel", self.post_cancel, problems=moving),
            Route("PATCH", "/orders/{order_id}/status", self.patch_status, problems=moving),
            Route("GET", "/users/{user_id}/orders", self.get_orders_of_user, problems=[OrdersNotFound]),
        )

    async def post_order(self, wanted: NewOrder, buyer: Principal, key: IdempotencyKey = None) -> Reply[Order]:
        """Place an order: prices come from products, and nothing is sold that is not there."""
        answer = await self.place_order(buyer, wanted, key)
        return Reply(cast("Order", wire.Raw(answer)))  # an Order that is JSON already

    async def get_orders(self, page: Page, reader: Principal) -> OrderPage:
        """The signed-in user's orders, newest first."""
        return await self.read_orders.page(reader.subject, reader, page)

    async def get_orders_of_user(self, user_id: str, page: Page, reader: Principal) -> OrderPage:
        """A user's orders, newest first."""
        return await self.read_orders.page(user_id, reader, page)

    async def get_order(self, order_id: str, reader: Principal) -> Order:
        """One order."""
        return order_answer(await self.read_orders.one(order_id, reader))

    async def get_events(self, order_id: str, reader: Principal, last_event_id: LastEventId = None) -> Stream | None:
        """Server-sent events: the state of an order, and each change of it as it happens.

        The stream ends with a final state. With a `Last-Event-ID` it goes on after that event; 204 says that nothing
        more will come.
        """
        return await self.follow_order(order_id, reader, last_event_id)

    async def post_cancel(self, order_id: str, by: Principal) -> Order:
        """Cancel an order that was not shipped yet, and give its stock back."""
        return order_answer(await self.cancel_order(order_id, by))

    async def patch_status(self, order_id: str, change: StatusChange, by: Admin) -> Order:
        """Note that an order was shipped, or delivered."""
        return order_answer(await self.ship_order(order_id, Status(change.status), by))
