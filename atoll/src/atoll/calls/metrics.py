"""Calls in numbers, for Prometheus."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

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

    Attempts are timed as `http_client_request_duration_seconds`, by OpenTelemetry's conventions; an attempt
    costs about 1 µs. Everything else is read from the clients when somebody asks.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._clients: dict[str, ServiceClient] = {}
        self._observers: dict[tuple[str, str, str], Callable[[float], None]] = {}
        self._duration = Histogram(
            "http_client_request_duration_seconds",
            "Time that an attempt of a call took.",
            (PEER, "http_request_method", "outcome"),
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self._retries = Counter(RETRIES, "Attempts after the first.", (PEER,), registry=registry)
        registry.register(_State(self._clients))

    def watch(self, client: ServiceClient) -> None:
        """Count what `client` does; one for each service called."""
        self._clients[client.service] = client
        self._retries.labels(client.service)
        client.observers.append(self.observe)

    def observe(self, attempt: Attempt) -> None:
        """Count an attempt."""
        key = (attempt.service, known_method(attempt.method), attempt.outcome)
        observe = self._observers.get(key)
        if observe is None:
            observe = self._observers[key] = self._duration.labels(*key).observe
        observe(attempt.seconds)
        if attempt.number > 1:
            self._retries.labels(attempt.service).inc()


class _State:
    """A collector of what clients know at the moment they are asked."""

    def __init__(self, clients: dict[str, ServiceClient]) -> None:
        self._clients = clients

    def collect(self) -> Iterable[Metric]:
        breakers = GaugeMetricFamily(
            BREAKER_STATE, "1 for the state that the breaker is in.", labels=(PEER, "peer_instance", "state")
        )
        ejections = CounterMetricFamily(EJECTIONS, "How often an instance was left out.", labels=(PEER,))
        left = GaugeMetricFamily(RETRIES_LEFT, "Retries that could be made now.", labels=(PEER,))
        refused = CounterMetricFamily("atoll_call_retries_refused", "Retries without budget.", labels=(PEER,))
        in_use = GaugeMetricFamily("atoll_call_bulkhead_in_use", "Calls under way.", labels=(PEER,))
        no_place = CounterMetricFamily("atoll_call_bulkhead_refused", "Calls without a place.", labels=(PEER,))
        for name, client in self._clients.items():
            for upstream in client.upstreams.current():
                state = "lost" if upstream.lost else upstream.breaker.state.value
                breakers.add_metric((name, upstream.authority, state), 1.0)
            ejections.add_metric((name,), client.upstreams.ejections)
            left.add_metric((name,), client.retry_budget.balance)
            refused.add_metric((name,), client.retry_budget.refused)
            in_use.add_metric((name,), client.bulkhead.in_use)
            no_place.add_metric((name,), client.bulkhead.refused)
        return (breakers, ejections, left, refused, in_use, no_place)

    def describe(self) -> Iterable[Metric]:
        return ()
