"""Visits in numbers, for Prometheus: named by the OpenTelemetry conventions, as those of every service are."""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import accumulate

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from atoll.observability.metrics import DURATION_BUCKETS, known_method


class VisitMetrics(Collector):
    """How many visits took how long, by the route's template, the method and the status.

    Only counts; the rest is done when somebody asks. `in_hand` tells how many visits are not over.
    """

    def __init__(self, in_hand: Callable[[], int]) -> None:
        self._in_hand = in_hand
        self._durations: dict[tuple[str, bytes, int], _Durations] = {}

    def count(self, template: str, method: bytes, status: int, seconds: float) -> None:
        """A visit is over. Methods that are not in the standard are counted as one: nobody outside can add labels."""
        durations = self._durations.get((template, method, status))
        if durations is None:
            known = known_method(method.decode("ascii")).encode("ascii")
            durations = self._durations.setdefault((template, known, status), _Durations())
        durations.counts[bisect_left(DURATION_BUCKETS, seconds)] += 1
        durations.seconds += seconds

    def collect(self) -> Iterable[Metric]:
        """For Prometheus: everything as it is now."""
        histogram = HistogramMetricFamily(
            "http_server_request_duration_seconds",
            "Time from a request's head to the end of its answer.",
            labels=("http_route", "http_request_method", "http_response_status_code"),
        )
        for (template, method, status), durations in self._durations.items():
            labels = (template, method.decode("ascii"), str(status))
            histogram.add_metric(labels, durations.buckets(), durations.seconds)
        active = GaugeMetricFamily("http_server_active_requests", "Requests in hand now.", value=self._in_hand())
        return (histogram, active)


class _Durations:
    """A count for each bucket, the last for those beyond all, and the sum."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(DURATION_BUCKETS) + 1)
        self.seconds = 0.0

    def buckets(self) -> list[tuple[str, float]]:
        """The counts as Prometheus has them: of all visits up to each bound."""
        bounds = [*map(floatToGoString, DURATION_BUCKETS), "+Inf"]
        return list(zip(bounds, accumulate(self.counts), strict=True))
