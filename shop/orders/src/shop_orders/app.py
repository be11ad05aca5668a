"""The orders service, joined together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from prometheus_client import CollectorRegistry

from atoll.clock import Clock, SystemClock
from atoll.events import Broker, Outbox, ServiceEvents, broker_of, consumer_name
from atoll.idempotency import Forgetting
from atoll.identity.authenticator import Authenticator
from atoll.ids import NewId, uuid7
from atoll.neighbours import Neighbours
from atoll.service import Service
from atoll.storage import Database, load_migrations, open_database
from atoll.storage.leases import Lease
from shop_orders.news import OrderNews
from shop_orders.places import Places
from shop_orders.ports import Products
from shop_orders.routes import Routes
from shop_orders.settings import OrdersSettings
from shop_orders.subscriptions import Subscriptions
from shop_orders.sweeping import Sweeping
from shop_orders.upstreams import ProductsOverHttp
from shop_orders.use_cases.ask_about_pending import AskAboutPending
from shop_orders.use_cases.cancel_order import CancelOrder
from shop_orders.use_cases.follow_order import FollowOrder
from shop_orders.use_cases.place_order import PlaceOrder
from shop_orders.use_cases.read_orders import ReadOrders
from shop_orders.use_cases.ship_order import ShipOrder
from shop_orders.use_cases.tell_cancellations import TellCancellations


def create_app(
    settings: OrdersSettings,
    *,
    clock: Clock | None = None,
    new_id: NewId | None = None,
    database: Database | None = None,
    broker: Broker | None = None,
    authenticator: Authenticator | None = None,
    products: Products | None = None,
) -> Service:
    """The service; what is not given is made from the settings."""
    clock = clock or SystemClock()
    new_id = new_id or uuid7(clock)
    outbox = Outbox("orders", clock=clock)
    database = outbox.waking(database or open_database(settings.database_url, clock=clock))
    broker = broker or broker_of(settings, clock=clock)
    neighbours = Neighbours("orders", settings, "users", "products", clock=clock)
    authenticator = authenticator or neighbours.authenticator(keys_of="users")
    products = products or ProductsOverHttp(neighbours.client("products"))
    news = OrderNews(database, clock)
    metrics = CollectorRegistry()
    ask_after = timedelta(seconds=settings.pending_seconds)
    routes = Routes(
        place_order=PlaceOrder(database, products, clock, new_id, outbox, settings.currency, ask_after),
        read_orders=ReadOrders(database),
        cancel_order=CancelOrder(database, outbox, clock, changed=news.changed),
        ship_order=ShipOrder(database, outbox, clock, changed=news.changed),
        follow_order=FollowOrder(database, news, Places(), clock),
    )
    events = ServiceEvents(
        outbox,
        database,
        broker,
        Subscriptions(outbox, clock).table(),
        consumer=consumer_name(settings),
        metrics=metrics,
        clock=clock,
        handled=lambda handled: news.changed(event.subject for event in handled),
    )
    sweeping = Sweeping(AskAboutPending(database, products, outbox, clock), clock, changed=news.changed)
    one_sweeps = Lease(database, "sweeping", holder=new_id(), clock=clock)
    return Service(
        "orders",
        routes.table(),
        authenticator=authenticator,
        resources=[neighbours, _ready(database, TellCancellations(database, outbox)), broker],
        jobs={
            **events.jobs,
            "sweeping": lambda: one_sweeps.run(sweeping.run),
            "watching orders that are followed": news.watch,
            "forgetting": Forgetting(database, clock).run,
        },
        readiness={"database": database.check},  # without the broker orders are taken, and their events wait
        when_stopping=[news.close],
        version=settings.version,
        clock=clock,
        metrics=metrics,
    )


@asynccontextmanager
async def _ready(database: Database, tell_cancellations: TellCancellations) -> AsyncIterator[None]:
    async with database:
        await database.migrate(load_migrations("shop_orders"))
        await tell_cancellations()
        yield
