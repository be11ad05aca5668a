"""Metrics of an HTTP server, by the names of the OpenTelemetry conventions."""

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from atoll.observability.metrics import HttpMetrics, exposition

BUCKETS = [
    "0.005",
    "0.01",
    "0.025",
    "0.05",
    "0.075",
    "0.1",
    "0.25",
    "0.5",
    "0.75",
    "1.0",
    "2.5",
    "5.0",
    "7.5",
    "10.0",
    "+Inf",
]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> HttpMetrics:
    return HttpMetrics(registry)


def labels(route: str, method: str, status: str) -> dict[str, str]:
    return {"http_route": route, "http_request_method": method, "http_response_status_code": status}


def count(registry: CollectorRegistry, route: str, method: str, status: str) -> float | None:
    name = "http_server_request_duration_seconds_count"
    return registry.get_sample_value(name, labels(route, method, status))


def in_hand(registry: CollectorRegistry) -> float | None:
    return registry.get_sample_value("http_server_active_requests")


def test_counts_by_route_method_and_status(registry: CollectorRegistry, metrics: HttpMetrics) -> None:
    for route, method, status in [("/a", "GET", 200), ("/a", "GET", 200), ("/a", "GET", 404), ("/b", "POST", 201)]:
        metrics.started()
        metrics.finished(route, method, status, 0.1)

    assert 2 == count(registry, "/a", "GET", "200")
    assert 1 == count(registry, "/a", "GET", "404")
    assert 1 == count(registry, "/b", "POST", "201")


def test_adds_up_seconds(registry: CollectorRegistry, metrics: HttpMetrics) -> None:
    for seconds in (0.25, 0.5):
        metrics.started()
        metrics.finished("/a", "GET", 200, seconds)

    total = registry.get_sample_value("http_server_request_duration_seconds_sum", labels("/a", "GET", "200"))
    assert 0.75 == total


def test_has_the_buckets_that_the_conventions_advise(registry: CollectorRegistry, metrics: HttpMetrics) -> None:
    metrics.started()
    metrics.finished("/a", "GET", 200, 0.02)

    samples = [sample for family in registry.collect() for sample in family.samples if sample.name.endswith("_bucket")]
    assert BUCKETS == [sample.labels["le"] for sample in samples]
    assert [0, 0, *[1] * 13] == [sample.value for sample in samples]


def test_requests_in_hand_go_up_and_down(registry: CollectorRegistry, metrics: HttpMetrics) -> None:
    metrics.started()
    metrics.started()
    during = in_hand(registry)
    metrics.finished("/a", "GET", 200, 0.1)

    assert (2, 1) == (during, in_hand(registry))


@pytest.mark.parametrize("method", ["BREW", "get", "GET ", "", "X" * 1000])
def test_strange_methods_add_no_labels(registry: CollectorRegistry, metrics: HttpMetrics, method: str) -> None:
    metrics.started()
    metrics.finished("/a", method, 405, 0.1)

    assert 1 == count(registry, "/a", "_OTHER", "405")


def test_two_services_of_one_process_count_apart() -> None:
    one, other = CollectorRegistry(), CollectorRegistry()
    metrics = HttpMetrics(one)
    HttpMetrics(other)
    metrics.started()
    metrics.finished("/a", "GET", 200, 0.1)

    assert (1, None) == (count(one, "/a", "GET", "200"), count(other, "/a", "GET", "200"))


class TestExposition:
    def test_has_the_service_and_the_process(self, registry: CollectorRegistry, metrics: HttpMetrics) -> None:
        metrics.started()
        names = {family.name for family in text_string_to_metric_families(exposition(registry).decode())}

        assert {
            "http_server_active_requests",
            "process_resident_memory_bytes",
            "process_cpu_seconds",
            "python_info",
            "python_gc_collections",
        } <= names

    def test_has_each_metric_once(self, registry: CollectorRegistry, metrics: HttpMetrics) -> None:
        lines = exposition(registry).decode().splitlines()
        types = [line for line in lines if line.startswith("# TYPE")]

        assert len(types) == len(set(types))

    def test_of_the_process_alone_repeats_nothing(self) -> None:
        assert 1 == exposition(REGISTRY).count(b"# TYPE python_info ")

    def test_carries_what_a_service_counts_of_its_own(self, registry: CollectorRegistry) -> None:
        Counter("orders_placed", "Orders that were placed.", registry=registry).inc(3)

        assert b"orders_placed_total 3.0" in exposition(registry)
