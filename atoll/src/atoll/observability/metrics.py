"""Numbers for Prometheus, named by the OpenTelemetry conventions for HTTP servers.

https://opentelemetry.io/docs/specs/semconv/http/http-metrics/
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import prometheus_client
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

EXPOSITION_TYPE = prometheus_client.CONTENT_TYPE_PLAIN_0_0_4

DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Seconds: the buckets that the conventions advise for `http.server.request.duration`, and the client's."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"})
_OTHER_METHOD = "_OTHER"


@runtime_checkable
class Measured(Protocol):
    """A resource with something to measure; a service that has it tells it where."""

    def measure_in(self, registry: CollectorRegistry) -> None: ...


def known_method(method: str) -> str:
    """The method as a label: one of the standard's, or `_OTHER`."""
    return method if method in _METHODS else _OTHER_METHOD


class HttpMetrics:
    """Counts, times and in-flight requests of one HTTP server.

    Call `started()` when a request arrives and `finished()` when its answer is out. Label children are
    cached: a request costs about 2 µs. `route` must be a template (`/orders/{id}`), or empty for a path
    without one; methods that are not in the standard are counted as `_OTHER`: nobody outside can add label
    values.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.active = 0
        self._observers: dict[tuple[str, str, int], Callable[[float], None]] = {}
        self._duration = Histogram(
            "http_server_request_duration_seconds",
            "Time from a request's head to the end of its answer.",
            ("http_route", "http_request_method", "http_response_status_code"),
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        Gauge("http_server_active_requests", "Requests in hand now.", registry=registry).set_function(
            lambda: self.active
        )

    def started(self) -> None:
        """A request is in hand from now on."""
        self.active += 1

    def finished(self, route: str, method: str, status: int, seconds: float) -> None:
        """The request is answered; `seconds` is how long that took."""
        self.active -= 1
        key = (route, known_method(method), status)
        observe = self._observers.get(key)
        if observe is None:
            observe = self._observers[key] = self._duration.labels(key[0], key[1], str(status)).observe
        observe(seconds)


def exposition(registry: CollectorRegistry) -> bytes:
    """What `/metrics` answers, as `EXPOSITION_TYPE`: `registry`, then what belongs to the whole process.

    The second half (memory, CPU, open files, garbage collector, Python's version) is prometheus-client's own
    registry, of which a process has one however many services run in it.
    """
    ours = generate_latest(registry)
    if registry is prometheus_client.REGISTRY:
        return ours
    return ours + generate_latest(prometheus_client.REGISTRY)
