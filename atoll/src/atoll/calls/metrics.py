"""Calls in numbers, for Prometheus."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from atoll.calls.attempt import Attempt
from atoll.calls.client import ServiceClient
from atoll.observability.metrics import DURATION_BUCKETS, known_method

PEER = "peer_service"

BREAKER_STATE = "atoll_call_circuit_breaker_state"
EJECTIONS = "atoll_call_ejections"
RETRIES = "atoll_call_retries"
RETRIES_LEFT = "atoll_call_retry_budget_left"


class CallMetrics:
    """What clients do, in `registry`: attempts by their outcome, retries, breakers, ejections, budgets, places.

    Attempts are timed as `http_client_request_duration_seconds`, by OpenTelemetry's conventions. An attempt
    costs less than 1 µs, because it only counts; everything else is done when somebody asks.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._clients: dict[str, ServiceClient] = {}
        self._durations: dict[tuple[str, str, str], _Durations] = {}
        self._retries: dict[str, int] = {}
        registry.register(self)

    def watch(self, client: ServiceClient) -> None:
        """Count what `client` does; one for each service called."""
        self._clients[client.service] = client
        self._retries[client.service] = 0
        client.observers.append(self.observe)

    def observe(self, attempt: Attempt) -> None:
        """Count an attempt."""
        key = (attempt.service, attempt.method, "ok" if attempt.error is None else attempt.outcome)
        durations = self._durations.get(key)
        if durations is None:
            key = (attempt.service, known_method(attempt.method), attempt.outcome)
            durations = self._durations.setdefault(key, _Durations())
        durations.counts[bisect_left(DURATION_BUCKETS, attempt.seconds)] += 1
        durations.seconds += attempt.seconds
        if attempt.number > 1:
            self._retries[attempt.service] += 1

    def collect(self) -> Iterable[Metric]:
        """For Prometheus: everything as it is now."""
        duration = HistogramMetricFamily(
            "http_client_request_duration_seconds",
            "Time that an attempt of a call took.",
            labels=(PEER, "http_request_method", "outcome"),
        )
        for labels, durations in self._durations.items():
            duration.add_metric(labels, durations.buckets(), durations.seconds)
        retries = CounterMetricFamily(RETRIES, "Attempts after the first.", labels=(PEER,))
        for service, count in self._retries.items():
            retries.add_metric((service,), count)
        return (duration, retries, *_state_of(self._clients))

    def describe(self) -> Iterable[Metric]:
        return ()


class _Durations:
    """How many attempts took how long: a count for each bucket, the last for those beyond all."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(DURATION_BUCKETS) + 1)
        self.seconds = 0.0

    def buckets(self) -> list[tuple[str, float]]:
        """The counts as Prometheus has them: of all attempts up to each bound."""
        bounds = [*map(floatToGoString, DURATION_BUCKETS), "+Inf"]
        return list(zip(bounds, accumulate(self.counts), strict=True))


def _state_of(clients: Mapping[str, ServiceClient]) -> Iterable[Metric]:
    """What clients know at the moment."""
    breakers = GaugeMetricFamily(
        BREAKER_STATE, "1 for the state that the breaker is in.", labels=(PEER, "peer_instance", "state")
    )
    ejections = CounterMetricFamily(EJECTIONS, "How often an instance was left out.", labels=(PEER,))
    left = GaugeMetricFamily(RETRIES_LEFT, "Retries that could be made now.", labels=(PEER,))
    refused = CounterMetricFamily("atoll_call_retries_refused", "Retries without budget.", labels=(PEER,))
    in_use = GaugeMetricFamily("atoll_call_bulkhead_in_use", "Calls under way.", labels=(PEER,))
    no_place = CounterMetricFamily("atoll_call_bulkhead_refused", "Calls without a place.", labels=(PEER,))
    for name, client in clients.items():
        for upstream in client.upstreams.current():
            state = "lost" if upstream.lost else upstream.breaker.state.value
            breakers.add_metric((name, upstream.authority, state), 1.0)
        ejections.add_metric((name,), client.upstreams.ejections)
        left.add_metric((name,), client.retry_budget.balance)
        refused.add_metric((name,), client.retry_budget.refused)
        in_use.add_metric((name,), client.bulkhead.in_use)
        no_place.add_metric((name,), client.bulkhead.refused)
    return (breakers, ejections, left, refused, in_use, no_place)
