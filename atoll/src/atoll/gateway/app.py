"""The gateway, joined: the public door, and a service on a port of its own for those who run the system."""

import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry

from atoll.calls import ServiceClient
from atoll.client_address import TrustedProxies
from atoll.clock import Clock, SystemClock
from atoll.discovery.configured import ConfiguredDirectory
from atoll.discovery.directory import Directory
from atoll.endpoints import Content, Route
from atoll.gateway.access_log import AccessLog
from atoll.gateway.bookkeeping import Bookkeeping
from atoll.gateway.gateway import Gateway
from atoll.gateway.limiting import RequestLimits
from atoll.gateway.limits import Limit, LimitsInvalid, limits_in
from atoll.gateway.routes import RoutesInvalid, RoutingTable
from atoll.gateway.rules import Rules
from atoll.gateway.settings import GATEWAY, GatewaySettings, addresses_in
from atoll.gateway.trace import Tracer
from atoll.gateway.upstream_metrics import UpstreamMetrics
from atoll.gateway.upstream_services import UpstreamServices
from atoll.http1.server import HttpServer
from atoll.http1.server_limits import ServerLimits
from atoll.identity.jwks import JwksKeySource
from atoll.identity.keys import JWKS_PATH, JwksDocument, KeySource
from atoll.identity.tokens import TokenVerifier
from atoll.lifecycle import Program, UvicornListener
from atoll.limits.limiter import Limiter, LocalLimiter
from atoll.observability.health import Check
from atoll.observability.metrics import EXPOSITION_TYPE, exposition
from atoll.service import Service
from atoll.settings import Mistake, SettingsInvalid


def create_gateway(
    settings: GatewaySettings,
    *,
    directory: Directory | None = None,
    keys: KeySource | None = None,
    limits: ServerLimits | None = None,
    limiter: Limiter | None = None,
    clock: Clock | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Program:
    """The gateway as a program with two ways in: `port` is the public door, `ops_port` never is.

    Services are found through `directory`, by default fixed addresses of `environ` over the registry; tokens are
    checked with `keys`, by default those that the settings' `keys_of` publishes; `limiter` counts requests, by
    default in this process. Raises `SettingsInvalid` for routes and limits that cannot be.
    """
    clock = clock or SystemClock()
    request_limits = RequestLimits(_limits(settings), limiter or LocalLimiter(clock))
    routes = _routes(settings)
    resources: list[AbstractAsyncContextManager[Any]] = []
    readiness: dict[str, Check] = {}
    if directory is None:
        directory = _directory(settings, routes, environ, clock)
        resources.append(directory)
    if keys is None:
        client = ServiceClient(settings.keys_of, directory, clock=clock)
        keys = JwksKeySource(partial(client.get, JWKS_PATH, into=JwksDocument), clock=clock)
        resources += [client, keys]
        readiness["token keys"] = keys.check
    upstreams = UpstreamServices(
        routes.services, directory, max_connections=settings.max_connections_per_instance, clock=clock
    )
    readiness |= {name: service.check for name, service in upstreams.items()}
    books = Bookkeeping(AccessLog.fitting(GATEWAY, settings.log_format, settings.log_level))
    metrics = CollectorRegistry()
    for each in (books.metrics, UpstreamMetrics(upstreams), request_limits):
        metrics.register(each)
    gateway = Gateway(
        Rules(routes, request_limits, upstreams),
        TokenVerifier(keys, clock=clock),
        books,
        clock,
        tracer=Tracer(settings.trace_sample_ratio),
        trusted_proxies=TrustedProxies(settings.trusted_proxies),
        max_in_flight=settings.max_in_flight,
    )
    operations = Service(
        GATEWAY,
        [Route("GET", "/metrics", _Exposition(metrics, books).answer)],
        resources=[*resources, upstreams, books],
        readiness=readiness,
        version=settings.version,
        clock=clock,
    )
    limits = limits or ServerLimits(connections=settings.max_connections)
    return Program(
        operations,
        {
            "port": HttpServer(gateway, settings.host, settings.port, limits=limits),
            "ops_port": UvicornListener(operations.app, settings.host, settings.ops_port),
        },
    )


class _Exposition:
    """`/metrics` of what goes through the door, in place of that of the few requests on the port for operations."""

    def __init__(self, registry: CollectorRegistry, books: Bookkeeping) -> None:
        self._registry = registry
        self._books = books

    async def answer(self) -> Content:
        self._books.settle()
        return Content(exposition(self._registry), EXPOSITION_TYPE)


def _routes(settings: GatewaySettings) -> RoutingTable:
    try:
        return RoutingTable(settings)
    except RoutesInvalid as error:
        raise SettingsInvalid(GATEWAY, [Mistake("[[gateway.routes]]:", each) for each in error.mistakes]) from error


def _limits(settings: GatewaySettings) -> Mapping[str, Limit]:
    try:
        return limits_in(settings)
    except LimitsInvalid as error:
        raise SettingsInvalid(GATEWAY, [Mistake("Limits:", each) for each in error.mistakes]) from error


def _directory(
    settings: GatewaySettings, routes: RoutingTable, environ: Mapping[str, str], clock: Clock
) -> ConfiguredDirectory:
    services = {*routes.services, settings.keys_of}
    try:
        addresses = addresses_in(environ, services)
    except ValueError as error:
        raise SettingsInvalid(GATEWAY, [Mistake("An address in the environment:", str(error))]) from error
    return ConfiguredDirectory(addresses, settings.registry_url, clock=clock)
