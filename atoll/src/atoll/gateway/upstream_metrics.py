"""What the gateway knows of the services behind it, for Prometheus, by the names that every caller's metrics have.

`atoll status` reads them, of the gateway as of any service.
"""

from collections.abc import Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from atoll.calls.metrics import BREAKER_STATE, EJECTIONS, PEER, RETRIES, RETRIES_LEFT
from atoll.gateway.upstream_services import UpstreamService


class UpstreamMetrics(Collector):
    """Breakers, ejections, retries and what is left of their budgets. Counting is done elsewhere, reading here."""

    def __init__(self, services: Mapping[str, UpstreamService]) -> None:
        self._services = services

    def collect(self) -> Iterable[Metric]:
        """For Prometheus: everything as it is now."""
        breakers = GaugeMetricFamily(
            BREAKER_STATE, "1 for the state that the breaker is in.", labels=(PEER, "peer_instance", "state")
        )
        ejections = CounterMetricFamily(EJECTIONS, "How often an instance was left out.", labels=(PEER,))
        retries = CounterMetricFamily(RETRIES, "Attempts after the first.", labels=(PEER,))
        left = GaugeMetricFamily(RETRIES_LEFT, "Retries that could be made now.", labels=(PEER,))
        refused = CounterMetricFamily("atoll_call_retries_refused", "Retries without budget.", labels=(PEER,))
        in_use = GaugeMetricFamily("atoll_call_connections_in_use", "Requests under way.", labels=(PEER,))
        for name, service in self._services.items():
            upstreams = service.upstreams.current()
            for upstream in upstreams:
                state = "lost" if upstream.lost else upstream.breaker.state.value
                breakers.add_metric((name, upstream.authority, state), 1.0)
            ejections.add_metric((name,), service.upstreams.ejections)
            retries.add_metric((name,), service.retries)
            left.add_metric((name,), service.retry_budget.balance)
            refused.add_metric((name,), service.retry_budget.refused)
            in_use.add_metric((name,), sum(upstream.in_flight for upstream in upstreams))
        return (breakers, ejections, retries, left, refused, in_use)
