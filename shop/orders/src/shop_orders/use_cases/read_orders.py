"""Show orders to those who may see them; to others they do not exist."""

from dataclasses import dataclass

from atoll.identity.principal import Principal
from atoll.paging import DEFAULT_LIMIT, Cursors, Limit
from atoll.storage import Database
from atoll.wire import StrictModel
from shop_contracts.orders import OrderPage
from shop_orders.answers import page_answer
from shop_orders.domain import Order, OrderNotFound, OrdersNotFound
from shop_orders.store import orders
from shop_orders.store.orders import Position


class PageQuery(StrictModel):
    """Which page of a list."""

    limit: Limit = DEFAULT_LIMIT
    cursor: str | None = None


_cursors = Cursors(Position)


@dataclass(frozen=True)
class ReadOrders:
    database: Database

    async def one(self, order_id: str, reader: Principal) -> Order:
        """The order; raises `OrderNotFound`. Services of the system may read every one."""
        order = await self.database.read(lambda reading: orders.find(reading, order_id))
        if order is not None and reader.is_service:
            return order
        return visible(order, order_id, reader)

    async def page(self, user_id: str, reader: Principal, query: PageQuery) -> OrderPage:
        """A user's orders, newest first, for services of the system as well.

        Raises `OrdersNotFound`, and `InvalidFields` for a bad cursor.
        """
        if not reader.is_service and not may_see(reader, user_id):
            raise OrdersNotFound(user_id)
        after = None if query.cursor is None else _cursors.read(query.cursor)
        found = await self.database.read(lambda reading: orders.of_user(reading, user_id, after, query.limit + 1))
        shown = found[: query.limit]
        more = len(found) > query.limit
        return page_answer(shown, _cursors.write(orders.position_of(shown[-1])) if more else None)


def may_see(reader: Principal, user_id: str) -> bool:
    """Users see what is their own, administrators everything."""
    return (not reader.is_service and reader.subject == user_id) or reader.has_role("admin")


def visible(order: Order | None, order_id: str, reader: Principal) -> Order:
    """The order, if `reader` may see it; raises `OrderNotFound`."""
    if order is None or not may_see(reader, order.user_id):
        raise OrderNotFound(order_id)
    return order
