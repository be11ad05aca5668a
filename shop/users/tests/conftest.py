"""The users service in this process: on each engine, a clock that stands still, real hashes and tokens."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import httpx2
import pytest

from atoll.calls import NoInstances
from atoll.settings import Secret
from atoll.storage import Database, open_database
from atoll.testing.clock import ManualClock
from shop_contracts.orders import Order
from shop_users.app import create_app
from shop_users.settings import UsersSettings

Json: TypeAlias = dict[str, Any]
Registered: TypeAlias = Callable[..., Awaitable[Json]]
SignedIn: TypeAlias = Callable[..., Awaitable[httpx2.AsyncClient]]


class KnownOrders:
    """What the orders service would say of a user's latest orders; nothing while it is away."""

    def __init__(self) -> None:
        self.of: dict[str, list[Order]] = {}
        self.away = False

    async def latest(self, user_id: str) -> list[Order]:
        if self.away:
            raise NoInstances(service="orders")
        return self.of.get(user_id, [])


ANN = {"name": "Ann", "email": "ann@example.com", "password": "correct horse battery"}
ADMIN = {"email": "root@example.com", "password": "a password for administrators"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def database_engine() -> str:
    """Hashing passwords takes its time; so both engines only where it matters."""
    return "sqlite"


@pytest.fixture
def settings(database_url: str) -> UsersSettings:
    return UsersSettings(
        database_url=database_url,
        admin_email=ADMIN["email"],
        admin_password=Secret(ADMIN["password"]),
    )


@pytest.fixture
def database(settings: UsersSettings) -> Database:
    return open_database(settings.database_url)


@pytest.fixture
def orders() -> KnownOrders:
    return KnownOrders()


@pytest.fixture
async def running(
    settings: UsersSettings, clock: ManualClock, database: Database, orders: KnownOrders
) -> AsyncIterator[httpx2.ASGITransport]:
    """The way into the running service."""
    service = create_app(settings, clock=clock, database=database, orders=orders)
    async with service.running():
        yield httpx2.ASGITransport(app=service.app)


@pytest.fixture
def anyone(running: httpx2.ASGITransport) -> httpx2.AsyncClient:
    """A client that does not say who it is."""
    return httpx2.AsyncClient(transport=running, base_url="http://users")


@pytest.fixture
def registered(anyone: httpx2.AsyncClient) -> Registered:
    """Registers Ann, or somebody much like her, and gives the user that was answered."""

    async def register(**fields: str) -> Json:
        answer = await anyone.post("/users", json=ANN | fields)
        assert answer.status_code == 201, answer.text
        user: Json = answer.json()
        return user

    return register


@pytest.fixture
def signed_in(running: httpx2.ASGITransport, anyone: httpx2.AsyncClient) -> SignedIn:
    """Signs Ann in, or who is named, and gives a client that says so."""

    async def sign_in(email: str = ANN["email"], password: str = ANN["password"]) -> httpx2.AsyncClient:
        answer = await anyone.post("/auth/login", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        headers = {"Authorization": f"Bearer {answer.json()['accessToken']}"}
        return httpx2.AsyncClient(transport=running, base_url="http://users", headers=headers)

    return sign_in


@pytest.fixture
async def admin(signed_in: SignedIn) -> httpx2.AsyncClient:
    """The client of the administrator that the settings name."""
    return await signed_in(**ADMIN)
