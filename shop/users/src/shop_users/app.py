"""The users service, joined together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from prometheus_client import CollectorRegistry

from atoll.client_address import TrustedProxies
from atoll.clock import Clock, SystemClock
from atoll.events import Broker, Outbox, ServiceEvents, broker_of, consumer_name
from atoll.idempotency import Forgetting, OncePerKey
from atoll.identity.jwks import JwksKeySource
from atoll.identity.keys import KeySource
from atoll.identity.service_authenticator import ServiceAuthenticator
from atoll.identity.service_credential import ServiceTokenVerifier
from atoll.identity.tokens import TokenVerifier
from atoll.ids import NewId, uuid7
from atoll.limits.limiter import LocalLimiter
from atoll.neighbours import Neighbours
from atoll.service import Service
from atoll.storage import Database, load_migrations, open_database
from shop_contracts.users import EmailAddress
from shop_users.access_tokens import AccessTokens
from shop_users.callers import Callers
from shop_users.last_known import LastKnown
from shop_users.passwords import Passwords
from shop_users.ports import Orders
from shop_users.routes import Routes
from shop_users.settings import UsersSettings
from shop_users.sign_in_limits import SignInLimits
from shop_users.tending import Tending
from shop_users.upstreams import OrdersOverHttp
from shop_users.use_cases.change_user import ChangeUser
from shop_users.use_cases.delete_user import DeleteUser
from shop_users.use_cases.list_users import ListUsers
from shop_users.use_cases.make_admin import MakeAdmin
from shop_users.use_cases.publish_keys import PublishKeys
from shop_users.use_cases.read_user import ReadUser
from shop_users.use_cases.refresh import Refresh
from shop_users.use_cases.register import Register
from shop_users.use_cases.sign_in import SignIn
from shop_users.use_cases.sign_out import SignOut
from shop_users.use_cases.tend_keys import TendKeys


def create_app(
    settings: UsersSettings,
    *,
    clock: Clock | None = None,
    new_id: NewId | None = None,
    database: Database | None = None,
    broker: Broker | None = None,
    passwords: Passwords | None = None,
    orders: Orders | None = None,
) -> Service:
    """The service; what is not given is made from the settings."""
    clock = clock or SystemClock()
    new_id = new_id or uuid7(clock)
    outbox = Outbox("users", clock=clock)
    database = outbox.waking(database or open_database(settings.database_url, clock=clock))
    broker = broker or broker_of(settings, clock=clock)
    passwords = passwords or Passwords()
    neighbours = Neighbours("users", settings, "orders", clock=clock)
    orders = orders or OrdersOverHttp(neighbours.client("orders"))
    access_tokens = AccessTokens(database, clock)
    publish_keys = PublishKeys(database)
    keys = JwksKeySource(publish_keys, clock=clock)
    tend_keys = TendKeys(database, clock, max_age=timedelta(days=settings.token_key_days))
    limits = SignInLimits(LocalLimiter(clock))
    routes = Routes(
        callers=Callers(TrustedProxies(settings.gateway_networks)),
        once_per_key=OncePerKey(database, clock, secret=settings.service_secret.reveal().encode()),
        register=Register(database, outbox, passwords, clock, new_id),
        sign_in=SignIn(database, passwords, limits, access_tokens, clock, new_id),
        refresh=Refresh(database, access_tokens, clock),
        sign_out=SignOut(database),
        read_user=ReadUser(database, orders, LastKnown()),
        list_users=ListUsers(database),
        change_user=ChangeUser(database, passwords, limits, clock),
        delete_user=DeleteUser(database, outbox),
        publish_keys=publish_keys,
    )
    make_admin = MakeAdmin(database, outbox, passwords, clock, new_id)
    metrics = CollectorRegistry()
    events = ServiceEvents(outbox, database, broker, consumer=consumer_name(settings), metrics=metrics, clock=clock)

    @asynccontextmanager
    async def first_things() -> AsyncIterator[None]:
        await tend_keys()
        if settings.admin_password:
            await make_admin.if_missing(EmailAddress(settings.admin_email), settings.admin_password.reveal())
        yield

    return Service(
        "users",
        routes.table(),
        authenticator=_authenticator(settings, keys, clock),
        resources=[neighbours, migrated(database), passwords, first_things(), keys, broker],
        jobs={
            **events.jobs,
            "forgetting": Forgetting(database, clock).run,
            "tending keys": Tending(tend_keys, clock).run,
        },
        readiness={"database": database.check},  # without the broker events wait, and all else goes on
        version=settings.version,
        clock=clock,
        metrics=metrics,
    )


@asynccontextmanager
async def migrated(database: Database) -> AsyncIterator[Database]:
    """The database within, at the schema that this code expects."""
    async with database:
        await database.migrate(load_migrations("shop_users"))
        yield database


def _authenticator(settings: UsersSettings, keys: KeySource, clock: Clock) -> ServiceAuthenticator:
    return ServiceAuthenticator(
        users=TokenVerifier(keys, clock=clock),
        services=ServiceTokenVerifier(settings.service_secret.reveal(), "users", clock=clock),
    )
