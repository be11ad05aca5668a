"""A service with events, as a program of its own: `orders` places an order when asked, `stock` settles it.

While there is a file `broken` in its folder, `stock` can settle nothing.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from atoll.endpoints import Route
from atoll.events import Broker, Event, EventSettings, RedeliveryPolicy, open_broker
from atoll.lifecycle import main
from atoll.service import Service
from atoll.storage import Database, Transaction, open_database
from atoll.testing.event_services import MIGRATIONS, Orders, Placed, Stock

IMPATIENT = RedeliveryPolicy(max_deliveries=2, first_pause=0.02)


class Settings(EventSettings, frozen=True, kw_only=True):
    database_url: str = ""


def is_broken() -> bool:
    return Path("broken").exists()


class BreakableStock(Stock):
    async def settle(self, event: Event[Placed], tx: Transaction) -> None:
        if is_broken():
            raise ValueError("nothing can be settled now")
        await super().settle(event, tx)


@asynccontextmanager
async def opened(database: Database, broker: Broker) -> AsyncIterator[None]:
    async with database, broker:
        await database.migrate(MIGRATIONS)
        yield


def create_orders(settings: Settings) -> Service:
    database, broker = open_database(settings.database_url), open_broker(settings.broker_url or "")
    orders = Orders(database, broker, redelivery=IMPATIENT)

    async def place() -> dict[str, str]:
        return {"id": await orders.place()}

    return Service(
        "orders",
        [Route("POST", "/orders", place)],
        resources=[opened(database, broker)],
        jobs=orders.events.jobs,
        metrics=orders.metrics,
    )


def create_stock(settings: Settings) -> Service:
    database, broker = open_database(settings.database_url), open_broker(settings.broker_url or "")
    stock = BreakableStock(database, broker, redelivery=IMPATIENT)
    return Service("stock", resources=[opened(database, broker)], jobs=stock.events.jobs, metrics=stock.metrics)


def run(name: str) -> None:
    """Run the service of that name until it is told to stop."""
    main(name, {"orders": create_orders, "stock": create_stock}[name], Settings)
