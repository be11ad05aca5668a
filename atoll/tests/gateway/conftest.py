"""A gateway on a free port, with services whose every byte the test decides behind it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from atoll.clock import Clock
from atoll.discovery.instance import ServiceInstance
from atoll.gateway.app import create_gateway
from atoll.gateway.settings import GatewaySettings, LimitSettings, RouteSettings
from atoll.http1.server import HttpServer
from atoll.http1.server_limits import ServerLimits
from atoll.identity.keys import KeyRing, KeySource, SigningKey
from atoll.identity.tokens import TokenIssuer
from atoll.lifecycle import Program
from atoll.lifecycle.listener import accepting
from atoll.testing.raw_http import RawAnswer, connected

ROUTES = (
    RouteSettings(path="/things", methods=("GET", "POST"), to="things", access="public"),
    RouteSettings(path="/things", methods=("PUT", "DELETE"), to="things", access="admin"),
    RouteSettings(path="/things/{id}", methods=("GET",), to="things", access="user"),
    RouteSettings(path="/things/{id}/parts/**", to="parts", access="public", body_limit=50 * 1024 * 1024),
    RouteSettings(path="/things/small", methods=("POST",), to="things", access="public", body_limit=10),
)

UNLIMITED: Mapping[str, LimitSettings] = {"default": LimitSettings(address="1_000_000_000 per s")}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Instances:
    """A directory in the test's hands."""

    def __init__(self, **ports: int | Sequence[int]) -> None:
        self._lists: dict[str, Sequence[ServiceInstance]] = {}
        for service, given in ports.items():
            self.set(service, *([given] if isinstance(given, int) else given))

    def set(self, service: str, *ports: int) -> None:
        self._lists[service] = tuple(ServiceInstance(f"{service}-{p}", service, "127.0.0.1", p) for p in ports)

    def instances(self, service: str) -> Sequence[ServiceInstance]:
        return self._lists.get(service, ())


@dataclass
class Door:
    """A gateway that runs."""

    port: int
    ops_port: int
    program: Program

    @property
    def server(self) -> HttpServer:
        server = self.program.listeners["port"]
        assert isinstance(server, HttpServer)
        return server

    async def ask(self, raw: bytes) -> RawAnswer:
        """One request on a connection of its own, and its answer."""
        async with connected(self.port) as client:
            return await client.request(raw)

    async def ask_ops(self, raw: bytes) -> RawAnswer:
        """The same on the port for operations."""
        async with connected(self.ops_port) as client:
            return await client.request(raw)


@dataclass
class OpenDoor:
    """Opens gateways for the length of a test."""

    stack: contextlib.AsyncExitStack
    keys: KeyRing
    settings: dict[str, Any] = field(default_factory=dict)

    async def run(self, program: Program) -> Door:
        server = program.listeners["port"]
        assert isinstance(server, HttpServer)
        server.sweep_interval = 0.02
        await self.stack.enter_async_context(program.service.running())
        bound = await self.stack.enter_async_context(accepting(program.listeners, 5.0))
        return Door(bound["port"].port, bound["ops_port"].port, program)

    async def __call__(
        self,
        instances: Instances,
        *,
        keys: KeySource | None = None,
        limits: ServerLimits | None = None,
        routes: Sequence[RouteSettings] = ROUTES,
        clock: Clock | None = None,
        request_limits: Mapping[str, LimitSettings] = UNLIMITED,
        **settings: Any,
    ) -> Door:
        given: dict[str, Any] = {"limits": dict(request_limits), "log_level": "warning", "max_loop_delay": 10.0}
        program = create_gateway(
            GatewaySettings(port=0, ops_port=0, routes=tuple(routes), **given | settings),
            directory=instances,
            keys=keys or self.keys,
            limits=limits,
            clock=clock,
            environ={},
        )
        return await self.run(program)


@pytest.fixture(scope="session")
def ring() -> KeyRing:
    return KeyRing([SigningKey.generate()])


@pytest.fixture
async def open_door(ring: KeyRing) -> AsyncIterator[OpenDoor]:
    async with contextlib.AsyncExitStack() as stack:
        yield OpenDoor(stack, ring)


@pytest.fixture
def token(ring: KeyRing) -> str:
    return TokenIssuer(ring).issue("somebody")


@pytest.fixture
def admin_token(ring: KeyRing) -> str:
    return TokenIssuer(ring).issue("boss", ["admin"])


@pytest.fixture
def instances() -> type[Instances]:
    return Instances
