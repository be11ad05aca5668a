"""Promise 14: any shuffle of the events, each one to five times, leaves the same databases; on both real services."""

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from shop.orders.tests.both_services import BothServices, state

from atoll import wire
from atoll.clock import Clock
from atoll.events import Delivery, Event, EventSource, Line
from atoll.events.failures import Failures
from atoll.events.handlers import Handlers
from atoll.events.inbox import Inbox
from atoll.events.metrics import EventMetrics
from atoll.storage import Database, Row, load_migrations, open_database
from atoll.testing.clock import ManualClock
from shop_contracts.events import USER_DELETED, USER_REGISTERED, UserDeleted, UserRegistered

BUYERS = ("ann", "bob")


class Post:
    """What a service says, and the inbox for what it is told."""

    def __init__(self, database: Database, lines: Sequence[Line], clock: Clock) -> None:
        handlers, metrics = Handlers(lines), EventMetrics(CollectorRegistry())
        failures = Failures(database, handlers, metrics, clock)
        self.inbox = Inbox(database, handlers, failures, metrics, clock=clock)
        self.types = set(handlers.types)
        self._database = database
        self._told = 0

    async def news(self) -> list[Delivery]:
        """What it has said since it was last asked."""
        rows = await self._database.fetch_all("SELECT type, event_id, body FROM outbox ORDER BY rowid")
        new, self._told = rows[self._told :], len(rows)
        return [Delivery(type_, event_id, bytes(body), 1) for type_, event_id, body in new]


class AsTheyCome:
    """Events come at once, once, and in order."""

    def some_of(self, waiting: list[Delivery]) -> tuple[list[Delivery], list[Delivery]]:
        """Those that come now, and those that come later."""
        return waiting, []

    def batch(self) -> int:
        """How many share a transaction."""
        return 100


class Shuffled(AsTheyCome):
    """Events come when they like, one to five times, and in any order."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def some_of(self, waiting: list[Delivery]) -> tuple[list[Delivery], list[Delivery]]:
        shuffled = self._data.draw(st.permutations(waiting))
        cut = self._data.draw(st.integers(1, len(shuffled)))
        times = self._data.draw(st.lists(st.integers(1, 5), min_size=cut, max_size=cut))
        now = [delivery for delivery, count in zip(shuffled[:cut], times, strict=True) for _ in range(count)]
        return self._data.draw(st.permutations(now)), shuffled[cut:]

    def batch(self) -> int:
        return self._data.draw(st.integers(1, 100))


async def live(shop: BothServices, orders: int, cancelled: set[int], lost: set[int]) -> None:
    """Place some orders, cancel some of them, and lose the stock of some."""
    await shop.stock_up(20)
    for number in range(orders):
        order_id, buyer = f"order-{number}", BUYERS[number % len(BUYERS)]
        await shop.place(buyer, number + 1)
        if number in lost:
            await shop.lose(order_id)
        if number in cancelled:
            await shop.cancel(order_id, buyer)


def news_of_users(clock: Clock) -> list[Delivery]:
    """Both have registered, and Bob is gone."""
    users = EventSource("users", clock=clock)
    events: list[Event[Any]] = [
        users.event(USER_REGISTERED, subject=user, sequence=1, data=UserRegistered(user_id=user)) for user in BUYERS
    ]
    events.append(users.event(USER_DELETED, subject="bob", sequence=2, data=UserDeleted(user_id="bob")))
    return [Delivery(event.type, event.id, wire.encode(event), 1) for event in events]


async def tell_all(posts: Sequence[Post], told: list[Delivery], order: AsTheyCome) -> None:
    """Everything that is said reaches everybody, and what they say then as well."""
    while told := [*told, *[delivery for post in posts for delivery in await post.news()]]:
        now, told = order.some_of(told)
        for post in posts:
            heard = [delivery for delivery in now if delivery.topic in post.types]
            size = order.batch()
            for start in range(0, len(heard), size):
                await post.inbox.take(heard[start : start + size])


async def outcome(order: AsTheyCome, orders: int, cancelled: set[int], lost: set[int]) -> list[list[Row]]:
    clock = ManualClock()
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            ours, theirs = [open_database(f"sqlite:///{folder}/{name}.db") for name in ("orders", "products")]
            for database, name in ((ours, "orders"), (theirs, "products")):
                await stack.enter_async_context(database)
                await database.migrate(load_migrations(f"shop_{name}"))
            shop = BothServices(ours, theirs, clock)
            await live(shop, orders, cancelled, lost)
            posts = [Post(ours, shop.lines_of_orders, clock), Post(theirs, shop.lines_of_products, clock)]
            await tell_all(posts, news_of_users(clock), order)
            return await state(ours, theirs)


some = st.sets(st.integers(0, 3))


@settings(max_examples=10, deadline=None)
@given(data=st.data(), orders=st.integers(1, 4), cancelled=some, lost=some)
def test_any_order_of_events_leaves_the_same_databases(
    data: st.DataObject, orders: int, cancelled: set[int], lost: set[int]
) -> None:
    expected = asyncio.run(outcome(AsTheyCome(), orders, cancelled, lost))
    found = asyncio.run(outcome(Shuffled(data), orders, cancelled, lost))

    assert expected == found
    assert {"pending"}.isdisjoint(status for _, status, *_ in found[0])
    assert [("ann", 0), ("bob", 1)] == found[1]
