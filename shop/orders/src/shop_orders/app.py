"""The orders service, joined together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from atoll.clock import Clock, SystemClock
from atoll.idempotency import Forgetting
from atoll.identity.authenticator import Authenticator
from atoll.ids import NewId, uuid7
from atoll.neighbours import Neighbours
from atoll.service import Service
from atoll.storage import Database, load_migrations, open_database
from shop_orders.domain import Owed
from shop_orders.news import OrderNews
from shop_orders.places import Places
from shop_orders.ports import Products
from shop_orders.routes import Routes
from shop_orders.settings import OrdersSettings
from shop_orders.telling import Telling, TellingMetrics
from shop_orders.upstreams import ProductsOverHttp
from shop_orders.use_cases.cancel_order import CancelOrder
from shop_orders.use_cases.follow_order import FollowOrder
from shop_orders.use_cases.place_order import PlaceOrder
from shop_orders.use_cases.read_orders import ReadOrders
from shop_orders.use_cases.release_orders import ReleaseOrders
from shop_orders.use_cases.settle_orders import SettleOrders
from shop_orders.use_cases.ship_order import ShipOrder


def create_app(
    settings: OrdersSettings,
    *,
    clock: Clock | None = None,
    new_id: NewId | None = None,
    database: Database | None = None,
    authenticator: Authenticator | None = None,
    products: Products | None = None,
) -> Service:
    """The service; what is not given is made from the settings."""
    clock = clock or SystemClock()
    database = database or open_database(settings.database_url, clock=clock)
    neighbours = Neighbours("orders", settings, "users", "products", clock=clock)
    authenticator = authenticator or neighbours.authenticator(keys_of="users")
    products = products or ProductsOverHttp(neighbours.client("products"))
    news = OrderNews(database, clock)
    metrics = CollectorRegistry()
    telling = TellingMetrics(metrics)
    settling = Telling(
        Owed.SETTLE,
        SettleOrders(database, products, clock, changed=news.changed),
        database=database,
        clock=clock,
        metrics=telling,
    )
    releasing = Telling(
        Owed.RELEASE, ReleaseOrders(database, products), database=database, clock=clock, metrics=telling
    )
    routes = Routes(
        place_order=PlaceOrder(
            database=database,
            products=products,
            clock=clock,
            new_id=new_id or uuid7(clock),
            currency=settings.currency,
            placed=settling.wake,
        ),
        read_orders=ReadOrders(database),
        cancel_order=CancelOrder(database, clock, changed=news.changed, cancelled=releasing.wake),
        ship_order=ShipOrder(database, clock, changed=news.changed),
        follow_order=FollowOrder(database, news, Places(), clock),
    )
    return Service(
        "orders",
        routes.table(),
        authenticator=authenticator,
        resources=[neighbours, _migrated(database)],
        jobs={
            "settling": settling.run,
            "watching what is to be settled": settling.watch,
            "releasing": releasing.run,
            "watching what is to be released": releasing.watch,
            "watching orders that are followed": news.watch,
            "forgetting": Forgetting(database, clock).run,
        },
        readiness={"database": database.check},
        when_stopping=[news.close],
        version=settings.version,
        clock=clock,
        metrics=metrics,
    )


@asynccontextmanager
async def _migrated(database: Database) -> AsyncIterator[None]:
    async with database:
        await database.migrate(load_migrations("shop_orders"))
        yield
