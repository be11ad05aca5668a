"""What the gateway knows of itself, for Prometheus."""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from atoll.gateway.gateway import Gateway
from atoll.http1.server import HttpServer
from atoll.limits.shared_limiter import SharedLimiter


class GatewayMetrics(Collector):
    """Decisions of limits, what was refused in an overload, connections, and whether limits are shared."""

    def __init__(self, gateway: Gateway, server: HttpServer, shared: SharedLimiter | None) -> None:
        self._gateway = gateway
        self._server = server
        self._shared = shared

    def collect(self) -> Iterable[Metric]:
        """For Prometheus: everything as it is now."""
        overload = self._gateway.overload
        yield from self._gateway.rules.limits.collect()
        connections = len(self._server.connections)
        yield GaugeMetricFamily("gateway_connections", "Open connections of clients.", connections)
        yield GaugeMetricFamily("gateway_overload_pressure", "0 when nothing is refused, 3 at most.", overload.pressure)
        yield GaugeMetricFamily("gateway_loop_delay_seconds", "How far the event loop was behind.", overload.delay)
        yield CounterMetricFamily("gateway_overload_refusals", "Requests refused in an overload.", overload.refused)
        if self._shared is not None:
            yield GaugeMetricFamily(
                "gateway_limits_shared", "1 when limits are counted together, 0 alone.", float(not self._shared.is_away)
            )
            yield CounterMetricFamily("gateway_limit_store_questions", "Questions to the store.", self._shared.asked)
