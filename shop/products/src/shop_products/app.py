"""The products service, joined together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from prometheus_client import CollectorRegistry

from atoll.clock import Clock, SystemClock
from atoll.events import Broker, Outbox, ServiceEvents, broker_of, consumer_name
from atoll.idempotency import Forgetting, OncePerKey
from atoll.identity.authenticator import Authenticator
from atoll.ids import NewId, uuid7
from atoll.neighbours import Neighbours
from atoll.service import Service
from atoll.storage import Database, load_migrations, open_database
from atoll.storage.leases import Lease
from shop_products.routes import Routes
from shop_products.settings import ProductsSettings
from shop_products.subscriptions import Subscriptions
from shop_products.sweeping import Sweeping
from shop_products.upstreams import OrdersOverHttp
from shop_products.use_cases.add_products import AddProducts
from shop_products.use_cases.begin_with_sample import BeginWithSample
from shop_products.use_cases.change_product import ChangeProduct
from shop_products.use_cases.change_stock import ChangeStock
from shop_products.use_cases.free_lapsed_holds import FreeLapsedHolds, Orders
from shop_products.use_cases.hide_product import HideProduct
from shop_products.use_cases.import_catalogue import ImportCatalogue
from shop_products.use_cases.read_product import ReadProduct
from shop_products.use_cases.release_order import ReleaseOrder
from shop_products.use_cases.reserve import Reserve
from shop_products.use_cases.settle_orders import SettleOrders
from shop_products.use_cases.take_over import TakeOver


def create_app(
    settings: ProductsSettings,
    *,
    clock: Clock | None = None,
    new_id: NewId | None = None,
    database: Database | None = None,
    broker: Broker | None = None,
    authenticator: Authenticator | None = None,
    orders: Orders | None = None,
) -> Service:
    """The service; what is not given is made from the settings."""
    clock = clock or SystemClock()
    new_id = new_id or uuid7(clock)
    outbox = Outbox("products", clock=clock)
    database = outbox.waking(database or open_database(settings.database_url, clock=clock))
    broker = broker or broker_of(settings, clock=clock)
    neighbours = Neighbours("products", settings, "users", "orders", clock=clock)
    authenticator = authenticator or neighbours.authenticator(keys_of="users")
    orders = orders or OrdersOverHttp(neighbours.client("orders"))
    metrics = CollectorRegistry()
    settle_orders = SettleOrders(outbox, clock)
    release_order = ReleaseOrder(database, clock)
    import_catalogue = ImportCatalogue(TakeOver(database, outbox, clock, new_id), clock, new_id)
    sample = settings.sample_catalogue if settings.environment == "development" else None
    routes = Routes(
        database=database,
        once_per_key=OncePerKey(database, clock),
        add_products=AddProducts(database, outbox, clock, new_id),
        import_catalogue=import_catalogue,
        read_product=ReadProduct(database),
        change_product=ChangeProduct(database, outbox, clock),
        hide_product=HideProduct(database, outbox, clock),
        change_stock=ChangeStock(database, clock),
        reserve=Reserve(database, clock, hold_for=timedelta(seconds=settings.hold_seconds)),
        release_order=release_order,
    )
    events = ServiceEvents(
        outbox,
        database,
        broker,
        Subscriptions(settle_orders, release_order).table(),
        consumer=consumer_name(settings),
        metrics=metrics,
        clock=clock,
    )
    sweeping = Sweeping(FreeLapsedHolds(database, orders, settle_orders, clock), clock, settings.sweep_seconds)
    one_sweeps = Lease(database, "sweeping", holder=new_id(), clock=clock)
    return Service(
        "products",
        routes.table(),
        authenticator=authenticator,
        resources=[neighbours, _ready(database, BeginWithSample(database, import_catalogue, sample)), broker],
        jobs={
            **events.jobs,
            "sweeping": lambda: one_sweeps.run(sweeping.run),
            "forgetting": Forgetting(database, clock).run,
        },
        readiness={"database": database.check},  # without the broker stock is held, and events wait
        version=settings.version,
        clock=clock,
        metrics=metrics,
    )


@asynccontextmanager
async def _ready(database: Database, begin: BeginWithSample) -> AsyncIterator[None]:
    async with database:
        await database.migrate(load_migrations("shop_products"))
        await begin()
        yield
