"""A service stops at each named point around transaction, publish and acknowledge, in the middle of each operation.

The client repeats what it was not answered, the service starts anew, and everything is as if nothing had been.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pytest
from prometheus_client import CollectorRegistry
from shop.orders.tests.both_services import BothServices, state

from atoll.clock import SystemClock
from atoll.events import MemoryBroker, Outbox, ServiceEvents
from atoll.problems import Problem
from atoll.storage import Database, DatabaseError, Row, load_migrations, open_database
from atoll.testing.event_faults import POINTS, Crashed, Crashes, CrashingBroker, CrashingDatabase
from atoll.testing.event_services import working
from atoll.testing.eventually import eventually
from shop_users.use_cases.delete_user import DeleteUser

SERVICES = ("users", "products", "orders")
KEY = "the-same"
SENDING = tuple(point for point in POINTS if "read" not in point and "acknowledge" not in point)

ADD_ANN = """
    INSERT INTO users (id, name, email, email_key, password_hash, is_admin, created_at, updated_at)
    VALUES ('ann', 'Ann', 'ann@example.com', 'ann@example.com', '', 0, 1, 1)
"""


@dataclass
class Running:
    """What `working` runs."""

    events: ServiceEvents


class Shop:
    """One process of each service, of which one may crash."""

    def __init__(self, databases: Mapping[str, Database], broker: MemoryBroker, crashes: Mapping[str, Crashes]) -> None:
        self._databases = {
            name: CrashingDatabase(database, crashes[name]) if name in crashes else database
            for name, database in databases.items()
        }
        self._brokers = {
            name: CrashingBroker(broker, crashes[name]) if name in crashes else broker for name in databases
        }
        clock = SystemClock()
        self.both = BothServices(self._databases["orders"], self._databases["products"], clock)
        outbox_of_users = Outbox("users")
        self.delete_user = DeleteUser(outbox_of_users.waking(self._databases["users"]), outbox_of_users)
        self.running = [
            self._running("users", outbox_of_users),
            self._running("products", self.both.outbox_of_products),
            self._running("orders", self.both.outbox_of_orders),
        ]

    def _running(self, name: str, outbox: Outbox) -> Running:
        lines = {"users": (), "products": self.both.lines_of_products, "orders": self.both.lines_of_orders}[name]
        return Running(
            ServiceEvents(
                outbox,
                self._databases[name],
                self._brokers[name],
                lines,
                consumer=f"{name}-1",
                metrics=CollectorRegistry(),
            )
        )


Operation: TypeAlias = Callable[[Shop], Awaitable[object]]


async def place(shop: Shop) -> None:
    await shop.both.place("ann", 2, KEY)


async def cancel(shop: Shop) -> None:
    (order_id,) = await shop.both.orders.fetch_one("SELECT id FROM orders") or ("",)
    await shop.both.cancel(order_id, "ann")


async def delete_user(shop: Shop) -> None:
    await shop.delete_user("ann")


async def nothing(_shop: Shop) -> None:
    """The events alone."""


async def place_and_lose(shop: Shop) -> None:
    await place(shop)
    (order_id,) = await shop.both.orders.fetch_one("SELECT id FROM orders") or ("",)
    await shop.both.lose(order_id)


class Outcome(NamedTuple):
    """The states of order and reservation, the stock that is left of ten, and the buyers that orders knows."""

    states: list[tuple[str, str]]
    stock: list[int]
    buyers: list[Row]


@dataclass(frozen=True)
class Case:
    """What was before, what is done, who crashes meanwhile and where, and what it all comes to."""

    name: str
    before: Operation
    act: Operation
    victim: str
    points: tuple[str, ...]
    comes_to: Outcome

    def __str__(self) -> str:
        return f"{self.name}-{self.victim}"


SOLD = Outcome([("confirmed", "settled")], [8], [])
CANCELLED = Outcome([("cancelled", "released")], [10], [])
REJECTED = Outcome([("cancelled", "released")], [8], [])  # what was lost had not been given back
GONE = Outcome([], [10], [("ann", 1)])

CASES = (
    Case("place", nothing, place, "orders", POINTS, SOLD),
    Case("place", nothing, place, "products", POINTS, SOLD),
    Case("settle", place, nothing, "orders", POINTS, SOLD),
    Case("settle", place, nothing, "products", POINTS, SOLD),
    Case("cancel", place, cancel, "orders", POINTS, CANCELLED),
    Case("cancel", place, cancel, "products", POINTS, CANCELLED),
    Case("reject", place_and_lose, nothing, "orders", POINTS, REJECTED),
    Case("reject", place_and_lose, nothing, "products", POINTS, REJECTED),
    Case("delete user", nothing, delete_user, "users", SENDING, GONE),
    Case("delete user", nothing, delete_user, "orders", ("before transaction", *POINTS[6:]), GONE),
)


@asynccontextmanager
async def new_databases(folder: Path) -> AsyncIterator[Mapping[str, Database]]:
    async with AsyncExitStack() as stack:
        found = {name: open_database(f"sqlite:///{folder}/{name}.db") for name in SERVICES}
        for name, database in found.items():
            await stack.enter_async_context(database)
            await database.migrate(load_migrations(f"shop_{name}"))
        yield found


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_crash_changes_nothing(tmp_path: Path, case: Case) -> None:
    """At all points at once, each in a shop of its own."""
    for point in case.points:
        (tmp_path / point).mkdir()
    found = await asyncio.gather(*(outcome(tmp_path / point, case, point) for point in case.points))

    assert dict.fromkeys(case.points, case.comes_to) == dict(zip(case.points, found, strict=True))


async def outcome(folder: Path, case: Case, point: str) -> Outcome:
    """What there is after a crash at that point, and a new start."""
    async with new_databases(folder) as databases, MemoryBroker() as broker:
        await databases["users"].transaction(lambda tx: tx.execute(ADD_ANN))
        shop = Shop(databases, broker, {})
        await shop.both.stock_up(10)
        await case.before(shop)
        await act_until_crash(case, databases, broker, Crashes(point))
        shop = Shop(databases, broker, {})
        with suppress(Problem):  # it was done, and only the answer was lost
            await case.act(shop)
        async with working(*shop.running):
            await eventually(lambda: is_quiet(databases))
        orders, buyers, held, stock, _, *failures = await state(databases["orders"], databases["products"])
    assert [[], []] == failures
    return Outcome(
        [(status, hold) for (_, status, *_), (_, hold) in zip(orders, held, strict=True)],
        [available for _, available in stock],
        buyers,
    )


async def act_until_crash(
    case: Case, databases: Mapping[str, Database], broker: MemoryBroker, crashes: Crashes
) -> None:
    shop = Shop(databases, broker, {case.victim: crashes})
    with suppress(Crashed, BaseExceptionGroup):
        async with working(*shop.running), asyncio.timeout(20):
            with suppress(Crashed, Problem, DatabaseError):
                await case.act(shop)
            await crashes.crashed.wait()
    assert crashes.crashed.is_set()


async def is_quiet(databases: Mapping[str, Database]) -> bool:
    """Whether nothing waits to be sent, and no order is pending."""
    waiting: list[Row] = []
    for database in databases.values():
        waiting += await database.fetch_all("SELECT event_id FROM outbox WHERE published_at IS NULL")
    return not waiting and not await databases["orders"].fetch_all("SELECT 1 FROM orders WHERE status = 'pending'")
