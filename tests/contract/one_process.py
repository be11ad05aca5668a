"""The whole shop in one process: every service as it is, on a socket and a file of its own, a broker in memory, and the
public door."""

import secrets
import tomllib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import msgspec

import shop_orders.app
import shop_products.app
import shop_users.app
from atoll.clock import SystemClock
from atoll.discovery.resolving import CannotResolve
from atoll.events import Broker, MemoryBroker
from atoll.gateway.app import create_gateway
from atoll.gateway.settings import GatewaySettings, RouteSettings
from atoll.identity.service_credential import ServiceCredential
from atoll.lifecycle import Address, Program, UvicornListener
from atoll.lifecycle.listener import accepting
from atoll.registry.app import create_registry
from atoll.registry.http_check import HttpCheck
from atoll.registry.leases import Lease
from atoll.registry.settings import RegistrySettings
from atoll.service import Service
from atoll.settings import DEVELOPMENT_SECRET, Secret, load_settings
from atoll.testing.serving import DRAIN_LIMIT
from shop_orders.settings import OrdersSettings
from shop_products.settings import ProductsSettings
from shop_users.settings import UsersSettings

SYSTEM_FILE = Path(__file__).parents[2] / "shop" / "atoll.toml"
PASSWORD = "a long pass phrase"
ADMIN_EMAIL = "boss@example.com"


@dataclass(frozen=True)
class Person:
    """A user who has signed in."""

    id: str
    email: str
    access_token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}


class OneProcessShop:
    """The running services by name, and the people and things a test needs in them.

    `urls` are the services' own addresses; `door` is the public one, `gateway` that for those who run it.
    """

    def __init__(self, services: Mapping[str, Service], urls: Mapping[str, str], http: httpx2.AsyncClient) -> None:
        self.services = services
        self.urls = urls
        self._http = http

    async def send(
        self, service: str, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """One request to a service, or to the door, and whatever is answered."""
        return await self._http.request(method, self.urls[service] + path, json=body, headers=headers)

    async def status(
        self, service: str, method: str, path: str, body: Any, *, content: bytes, headers: Mapping[str, str]
    ) -> int:
        """The status alone, of an answer that may never end; `content` goes before `body`."""
        given: dict[str, Any] = {"content": content} if content else {"json": body}
        async with self._http.stream(method, self.urls[service] + path, headers=headers, **given) as answer:
            return answer.status_code

    async def ask(
        self, service: str, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Any:
        """The JSON of an answer that must be a success."""
        answer = await self.send(service, method, path, body, headers=headers)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def person(self) -> Person:
        """Someone new, who has an account and is signed in."""
        email = f"{secrets.token_hex(8)}@example.com"
        new = {"name": "Kim", "email": email, "password": PASSWORD}
        return await self._signed_in(await self.ask("users", "POST", "/users", new))

    async def admin(self) -> Person:
        """The administrator, signed in anew."""
        return await self._signed_in({"id": "", "email": ADMIN_EMAIL})

    async def product(self, admin: Person) -> str:
        """The id of something new to buy."""
        new = {"name": "Lamp", "price": 19.99, "category": "home", "stock": 1000}
        return str((await self.ask("products", "POST", "/products", new, headers=admin.headers))["id"])

    async def order(self, buyer: Person, product_id: str) -> str:
        """The id of a new order."""
        new = {"items": [{"productId": product_id, "quantity": 1}]}
        return str((await self.ask("orders", "POST", "/orders", new, headers=buyer.headers))["id"])

    async def _signed_in(self, user: Mapping[str, str]) -> Person:
        tokens = await self.ask("users", "POST", "/auth/login", {"email": user["email"], "password": PASSWORD})
        return Person(user["id"], user["email"], tokens["accessToken"], tokens["refreshToken"])


def service_headers(name: str, *, to: str) -> dict[str, str]:
    """What the service `name` shows the service `to`."""
    credential = ServiceCredential(DEVELOPMENT_SECRET.reveal(), name)
    return {"Authorization": f"Bearer {credential.token_for(to)}"}


def gateway_routes() -> list[RouteSettings]:
    """The routes of the public door, as the system file has them."""
    routes = tomllib.loads(SYSTEM_FILE.read_text(encoding="utf-8"))["gateway"]["routes"]
    return msgspec.convert(routes, list[RouteSettings])


@asynccontextmanager
async def one_process_shop(folder: Path) -> AsyncIterator[OneProcessShop]:
    """Within, everything runs; `folder` is for its databases."""
    async with AsyncExitStack() as running:
        urls: dict[str, str] = {}
        services: dict[str, Service] = {}

        async def start(program: Program) -> Mapping[str, Address]:
            service = program.service
            assert isinstance(service, Service)
            await running.enter_async_context(service.running())
            services[service.name] = service
            bound = await running.enter_async_context(accepting(program.listeners, DRAIN_LIMIT))
            urls[service.name] = _url(bound["port"])
            return bound

        registry_settings = RegistrySettings(port=0, networks=("0.0.0.0/0", "::/0"))
        await start(create_registry(registry_settings, check=_answers_on_this_machine, resolve=_nowhere))
        broker = MemoryBroker()
        await start(_program(_users(folder, broker)))
        await start(_program(_products(folder, urls, broker)))
        await start(_program(_orders(folder, urls, broker)))
        door = await start(_gateway(urls))
        urls |= {"door": _url(door["port"]), "gateway": _url(door["ops_port"])}
        yield OneProcessShop(services, urls, await running.enter_async_context(httpx2.AsyncClient(timeout=30)))


def _program(service: Service) -> Program:
    return Program(service, {"port": UvicornListener(service.app, "127.0.0.1", 0)})


def _url(address: Address) -> str:
    return f"http://{address.host}:{address.port}"


def _users(folder: Path, broker: Broker) -> Service:
    return shop_users.app.create_app(
        UsersSettings(
            database_url=f"sqlite:///{folder}/users.db", admin_email=ADMIN_EMAIL, admin_password=Secret(PASSWORD)
        ),
        broker=broker,
    )


def _products(folder: Path, urls: Mapping[str, str], broker: Broker) -> Service:
    return shop_products.app.create_app(
        ProductsSettings(database_url=f"sqlite:///{folder}/products.db", users_url=urls["users"]), broker=broker
    )


def _orders(folder: Path, urls: Mapping[str, str], broker: Broker) -> Service:
    return shop_orders.app.create_app(
        OrdersSettings(
            database_url=f"sqlite:///{folder}/orders.db", users_url=urls["users"], products_url=urls["products"]
        ),
        broker=broker,
    )


def _gateway(urls: Mapping[str, str]) -> Program:
    addresses = {f"{name.upper()}_URL": urls[name] for name in ("users", "products", "orders")}
    settings = load_settings(GatewaySettings, "gateway", {"ATOLL_CONFIG": str(SYSTEM_FILE)})
    return create_gateway(msgspec.structs.replace(settings, port=0, ops_port=0, max_loop_delay=10.0), environ=addresses)


async def _nowhere(host: str) -> Sequence[str]:
    """Nobody looks up the names that are made up here."""
    raise CannotResolve(f"{host} is nowhere")


async def _answers_on_this_machine(lease: Lease) -> bool:
    """The registry's own check, but never of another host: announcements are made up here by the hundred."""
    return lease.instance.host == "127.0.0.1" and await HttpCheck(SystemClock())(lease)
