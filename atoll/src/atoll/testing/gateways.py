"""A gateway in this process, on a real socket, before whatever services a test puts behind it."""

import contextlib
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from atoll.discovery.directory import FixedDirectory
from atoll.gateway.app import create_gateway
from atoll.gateway.settings import GatewaySettings, LimitSettings, RouteSettings
from atoll.http1.server import HttpServer
from atoll.http1.server_limits import ServerLimits
from atoll.identity.keys import KeyRing, KeySource, SigningKey
from atoll.lifecycle import Program
from atoll.lifecycle.listener import accepting
from atoll.testing.raw_http import connected

UNLIMITED: Mapping[str, LimitSettings] = {"default": LimitSettings(address="1_000_000_000 per s")}
"""Limits that no test reaches."""

_METRICS = b"GET /metrics HTTP/1.1\r\nHost: gateway\r\n\r\n"


@dataclass
class OpenGateway:
    """A gateway that runs."""

    port: int
    ops_port: int
    program: Program
    log: io.StringIO

    @property
    def server(self) -> HttpServer:
        """The public door."""
        server = self.program.listeners["port"]
        assert isinstance(server, HttpServer)
        return server

    async def logged(self) -> list[dict[str, Any]]:
        """The lines of its access log, of every request that is over."""
        async with connected(self.ops_port) as operator:
            await operator.request(_METRICS)  # books what waits
        return [orjson.loads(line) for line in self.log.getvalue().splitlines()]


@contextlib.asynccontextmanager
async def open_gateway(
    services: Mapping[str, int],
    routes: Sequence[RouteSettings],
    *,
    keys: KeySource | None = None,
    limits: ServerLimits | None = None,
    sweep_interval: float = 0.02,
    **settings: Any,
) -> AsyncIterator[OpenGateway]:
    """While it is entered, `services` (their ports on 127.0.0.1) can be reached by `routes`; callers are not limited.

    Deadlines are looked at each `sweep_interval` seconds. `settings` are those of `GatewaySettings`; with
    `log_level="info"` there is an access log. A loop that is late is not taken for too much to do, unless they say so:
    it is the test's as well.
    """
    given: dict[str, Any] = {"limits": dict(UNLIMITED), "log_level": "warning", "log_format": "json"}
    given |= {"max_loop_delay": 10.0} | settings
    log = io.StringIO()
    with contextlib.redirect_stdout(log):  # where the access log finds its stream
        program = create_gateway(
            GatewaySettings(port=0, ops_port=0, routes=tuple(routes), **given),
            directory=FixedDirectory({name: f"http://127.0.0.1:{port}" for name, port in services.items()}),
            keys=keys or KeyRing([SigningKey.generate()]),
            limits=limits,
            environ={},
        )
    server = program.listeners["port"]
    assert isinstance(server, HttpServer)
    server.sweep_interval = sweep_interval
    async with program.service.running(), accepting(program.listeners, 5.0) as bound:
        yield OpenGateway(bound["port"].port, bound["ops_port"].port, program, log)
