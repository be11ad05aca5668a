"""The gateway, joined: the public door, and a service on a port of its own for those who run the system."""

import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
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
from atoll.gateway.gateway_metrics import GatewayMetrics
from atoll.gateway.limiting import RequestLimits
from atoll.gateway.open_files import enough_open_files
from atoll.gateway.overload import Overload
from atoll.gateway.reloading import Reloading, settings_as_written
from atoll.gateway.rules import Rules
from atoll.gateway.settings import GATEWAY, GatewaySettings, addresses_in
from atoll.gateway.settings_check import checked
from atoll.gateway.trace import Tracer
from atoll.gateway.upstream_metrics import UpstreamMetrics
from atoll.gateway.upstream_services import UpstreamServices
from atoll.gateway.warming_up import warmed_up
from atoll.http1.server import HttpServer
from atoll.http1.server_limits import ServerLimits
from atoll.identity.jwks import JwksKeySource
from atoll.identity.keys import JWKS_PATH, JwksDocument, KeySource
from atoll.identity.tokens import TokenVerifier
from atoll.lifecycle import Listener, Program, UvicornListener
from atoll.limits.limiter import Limiter, LocalLimiter
from atoll.limits.quota_store import QuotaStore
from atoll.limits.shared_limiter import SharedLimiter
from atoll.observability.health import Check
from atoll.observability.logging import get_logger
from atoll.observability.metrics import EXPOSITION_TYPE, exposition
from atoll.service import Service
from atoll.settings import Mistake, SettingsInvalid

log = get_logger()


def create_gateway(
    settings: GatewaySettings,
    *,
    directory: Directory | None = None,
    keys: KeySource | None = None,
    limits: ServerLimits | None = None,
    limiter: Limiter | None = None,
    quota_store: QuotaStore | None = None,
    door: socket.socket | None = None,
    clock: Clock | None = None,
    environ: Mapping[str, str] = os.environ,
    load: Callable[[], GatewaySettings] = settings_as_written,
    speaks_for_itself: bool = True,
) -> Program:
    """The gateway as a program with two ways in: `port` is the public door, `ops_port` never is.

    Services are found through `directory`, by default fixed addresses of `environ` over the registry; tokens are
    checked with `keys`, by default those that the settings' `keys_of` publishes. `limiter` counts requests, by
    default in this process, or together with all who share `quota_store` (by default the settings' `limits_url`).
    A `door` is a listening socket that somebody else holds open as well. `load` reads the settings again. A gateway
    that does not speak for itself is not announced to the registry. Raises `SettingsInvalid` for routes and limits
    that cannot be.
    """
    clock = clock or SystemClock()
    routes, request_limits = checked(settings)
    resources: list[AbstractAsyncContextManager[Any]] = [_open_files(settings.max_connections)]
    readiness: dict[str, Check] = {}
    if directory is None:
        directory = _directory(settings, routes.services, environ, clock)
        resources.append(directory)
    if keys is None:
        client = ServiceClient(settings.keys_of, directory, clock=clock)
        keys = JwksKeySource(partial(client.get, JWKS_PATH, into=JwksDocument), clock=clock)
        resources += [client, keys]
        readiness["token keys"] = keys.check
    shared = _shared_limiter(settings, quota_store, clock, resources)
    counter = shared or limiter or LocalLimiter(clock)
    upstreams = UpstreamServices(
        routes.services, directory, max_connections=settings.max_connections_per_instance, clock=clock
    )
    readiness |= {name: service.check for name, service in upstreams.items()}
    books = Bookkeeping(AccessLog.fitting(settings.access_log, GATEWAY, settings.log_format, settings.log_level))
    gateway = Gateway(
        Rules(routes, RequestLimits(request_limits, counter), upstreams),
        TokenVerifier(keys, clock=clock),
        books,
        clock,
        overload=Overload(settings.max_loop_delay),
        tracer=Tracer(settings.trace_sample_ratio),
        trusted_proxies=TrustedProxies(settings.trusted_proxies),
        max_in_flight=settings.max_in_flight,
    )

    def apply(found: GatewaySettings) -> None:
        routes, limits = checked(found)
        upstreams.add(routes.services)
        gateway.rules = Rules(routes, RequestLimits(limits, counter), upstreams)

    serving: list[AbstractAsyncContextManager[Any]] = [
        *(upstreams, books, gateway.overload, Reloading(settings, apply, load))
    ]
    if door is not None:
        serving.append(warmed_up(readiness.values(), clock))
    limits = limits or ServerLimits(connections=settings.max_connections)
    server = HttpServer(gateway, settings.host, settings.port, limits=limits, door=door)
    metrics = CollectorRegistry()
    for each in (books.metrics, UpstreamMetrics(upstreams), GatewayMetrics(gateway, server, shared)):
        metrics.register(each)
    operations = Service(
        GATEWAY,
        [Route("GET", "/metrics", _Exposition(metrics, books).answer)],
        resources=[*resources, *serving],
        readiness=readiness,
        version=settings.version,
        clock=clock,
    )
    listeners: dict[str, Listener] = {
        "port": server,
        "ops_port": UvicornListener(operations.app, settings.host, settings.ops_port),
    }
    return Program(operations, listeners, announced=speaks_for_itself)


class _Exposition:
    """`/metrics` of what goes through the door, in place of that of the few requests on the port for operations."""

    def __init__(self, registry: CollectorRegistry, books: Bookkeeping) -> None:
        self._registry = registry
        self._books = books

    async def answer(self) -> Content:
        self._books.settle()
        return Content(exposition(self._registry), EXPOSITION_TYPE)


@asynccontextmanager
async def _open_files(connections: int) -> AsyncIterator[None]:
    with enough_open_files(connections):
        yield


def _shared_limiter(
    settings: GatewaySettings,
    store: QuotaStore | None,
    clock: Clock,
    resources: list[AbstractAsyncContextManager[Any]],
) -> SharedLimiter | None:
    """The limiter that counts together with others, if there is somewhere to do so; added to the `resources`."""
    if store is None and settings.limits_url is not None:
        from atoll.limits.valkey_quota_store import ValkeyQuotaStore

        store = ValkeyQuotaStore(settings.limits_url)
    if store is None:
        return None
    if isinstance(store, AbstractAsyncContextManager):
        resources.append(store)
    limiter = SharedLimiter(store, clock, on_change=_tell_how_limits_are_counted)
    resources.append(limiter)
    return limiter


def _tell_how_limits_are_counted(away: bool) -> None:
    if away:
        log.warning("the store of limits is away; each gateway counts its fair share by itself")
    else:
        log.info("the store of limits is back; gateways count together again")


def _directory(
    settings: GatewaySettings, services: tuple[str, ...], environ: Mapping[str, str], clock: Clock
) -> ConfiguredDirectory:
    try:
        addresses = addresses_in(environ, {*services, settings.keys_of})
    except ValueError as error:
        raise SettingsInvalid(GATEWAY, [Mistake("An address in the environment:", str(error))]) from error
    return ConfiguredDirectory(addresses, settings.registry_url, clock=clock)
