"""What the gateway can be told; its routes are the `[[gateway.routes]]` of the system file."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from atoll.client_address import TrustedProxies
from atoll.settings import Port, ServiceSettings, Setting, service_address

GATEWAY = "gateway"
DEFAULT_LIMIT = "default"
ALL_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class RouteSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[gateway.routes]]`. Nothing has a default that would open a door.

    `path` is a template below `/api`: `{name}` stands for one segment, `/**` at the end for everything below and
    the path before it. `access` is `public`, `user` (any valid token), or the role that the token must have.
    Times are in seconds; None means the gateway's own. Answers of an `endless` route go on until somebody ends them,
    as server-sent events do: a gateway that stops does so, where it waits for any other answer. Each request uses
    `cost` units of the `limit` of that name; 0 is for a route that is not limited. In an overload, those of low
    `priority` are refused first, and those of high priority last. `cors` are the origins whose pages may use the route;
    None means the gateway's own.
    """

    path: str
    to: str
    access: str
    methods: tuple[str, ...] = ALL_METHODS
    body_limit: int = 1024 * 1024
    attempt_timeout: float | None = None
    total_timeout: float | None = None
    silence_timeout: float | None = None
    endless: bool = False
    limit: str = DEFAULT_LIMIT
    cost: int = 1
    priority: Literal["low", "normal", "high"] = "normal"
    cors: tuple[str, ...] | None = None


AccessLogFormat = Literal["log", "combined", "off"]


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of `[gateway.limits]`: what each client address may ask for, such as `100 per 15 min`, and each signed-in
    user instead. Without `user`, users count for their address like everybody."""

    address: str
    user: str | None = None


Seconds = Annotated[float, Meta(gt=0, le=3600)]
Count = Annotated[int, Meta(ge=1)]
Workers = Annotated[int, Meta(ge=1, le=256)]


def store_address(url: str) -> None:
    """The address of a Valkey or Redis server; ValueError tells what else it is, or what is not installed."""
    try:
        from atoll.limits.valkey_quota_store import ValkeyQuotaStore
    except ModuleNotFoundError as error:
        raise ValueError("A shared limit needs redis-py; install it with: pip install 'atoll[valkey]'") from error
    ValkeyQuotaStore(url)


class GatewaySettings(ServiceSettings, frozen=True, kw_only=True):
    """The settings of every service, and those of the public door."""

    port: Annotated[Port, Setting("The public door; 0 takes any free port.")] = 3000
    ops_port: Annotated[Port, Setting("Where /health, /ready and /metrics are, for those who run the system.")] = 3009
    routes: Annotated[
        tuple[RouteSettings, ...], Setting("What goes where, and who may.", section="gateway.routes")
    ] = ()
    limits: Annotated[
        dict[str, LimitSettings], Setting("How much one caller may ask for, by name.", section="gateway.limits")
    ] = msgspec.field(default_factory=dict)
    development_limits: Annotated[
        dict[str, LimitSettings],
        Setting("What holds instead of `limits` in development.", section="gateway.development_limits"),
    ] = msgspec.field(default_factory=dict)
    limits_url: Annotated[
        str | None,
        Setting(
            "The Valkey or Redis server in which all gateways count limits together; without it, each counts alone.",
            aliases=("VALKEY_URL", "REDIS_URL"),
            check=store_address,
        ),
    ] = None
    workers: Annotated[Workers, Setting("Processes at the public door; limits are counted for all together.")] = 1
    keys_of: Annotated[str, Setting("The service that issues access tokens and publishes their keys.")] = "users"
    trusted_proxies: Annotated[
        tuple[str, ...],
        Setting("Networks of proxies whose X-Forwarded-* is believed, such as 10.0.0.0/8.", check=TrustedProxies),
    ] = ()

    attempt_timeout: Annotated[Seconds, Setting("Seconds that one instance has to begin its answer.")] = 5.0
    total_timeout: Annotated[
        Seconds, Setting("Seconds that a whole request has until its answer begins, all attempts together.")
    ] = 10.0
    silence_timeout: Annotated[Seconds, Setting("Seconds that may pass within an answer without a byte of it.")] = 60.0
    trace_sample_ratio: Annotated[
        float, Meta(ge=0, le=1), Setting("The share of requests whose trace is to be recorded.")
    ] = 0.01
    cors: Annotated[
        tuple[str, ...], Setting("Origins whose pages may use the routes, such as https://shop.example; `*` for all.")
    ] = ()
    access_log: Annotated[
        AccessLogFormat,
        Setting("One line for each request: as the other log lines are, in Apache's combined format, or off."),
    ] = "log"
    max_loop_delay: Annotated[
        Seconds, Setting("Seconds that the event loop may be behind before what matters least is refused.")
    ] = 0.1
    max_wait: Annotated[Seconds, Setting("Seconds that a request may wait for a free connection to an instance.")] = 1.5
    max_waiting: Annotated[
        Count,
        Setting("Requests that may wait for a connection to an instance; of low priority a quarter, of normal half."),
    ] = 256
    max_in_flight: Annotated[Count, Setting("Requests in hand at once; more are answered 503.")] = 4096
    max_connections: Annotated[Count, Setting("Open connections of clients.")] = 10_000
    max_connections_per_instance: Annotated[Count, Setting("Open connections to one instance.")] = 512


def addresses_in(environ: Mapping[str, str], services: Iterable[str]) -> dict[str, str]:
    """The fixed addresses that the environment gives: `USERS_URL` or `USER_SERVICE_URL` for `users`.

    ValueError says what is wrong with one that is none.
    """
    addresses = {}
    for service in services:
        name = service.replace("-", "_").upper()
        address = environ.get(f"{name}_URL") or environ.get(f"{name.removesuffix('S')}_SERVICE_URL")
        if address:
            try:
                service_address(address)
            except ValueError as error:
                raise ValueError(f"{address!r} cannot be where {service} is; {error}.") from error
            addresses[service] = address
    return addresses
