"""What becomes of events, for Prometheus."""

from collections.abc import Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from atoll.clock import Clock, SystemClock
from atoll.events.outbox_table import Backlog

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)


class EventMetrics:
    """Counts of one service's events by type, and what still waits. Label children are cached."""

    def __init__(self, registry: CollectorRegistry, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._oldest: datetime | None = None
        self.published = _ByType(registry, "events_published", "Events that the broker took from the outbox.")
        self.handled = _ByType(registry, "events_handled", "Events whose effect is durable.")
        self.repeated = _ByType(registry, "events_repeated", "Events that arrived again, and were passed over.")
        self.failed = _ByType(registry, "events_failed", "Attempts to handle an event that failed.")
        self.retried = _ByType(registry, "events_retried", "Attempts to handle an event that had failed before.")
        self.dead = _ByType(registry, "events_dead", "Events that became dead letters.")
        self._delay = Histogram(
            "events_delay_seconds",
            "From an event to its durable effect.",
            ["type"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._delays: dict[str, Histogram] = {}
        self._waiting = Gauge("events_outbox_waiting", "Events that wait to be published.", registry=registry)
        Gauge(
            "events_outbox_oldest_seconds", "Age of the oldest event that waits to be published.", registry=registry
        ).set_function(self._age)
        self._unread = Gauge(
            "events_unacknowledged",
            "Events at the broker that this service has not dealt with.",
            ["type"],
            registry=registry,
        )
        self._failures = Gauge(
            "events_set_aside", "Events that failed, by what they wait for.", ["state"], registry=registry
        )

    def delayed(self, type_: str, seconds: float) -> None:
        """An event took effect so many seconds after it happened."""
        found = self._delays.get(type_)
        if found is None:
            found = self._delays[type_] = self._delay.labels(type_)
        found.observe(max(0.0, seconds))

    def outbox(self, backlog: Backlog) -> None:
        self._waiting.set(backlog.count)
        self._oldest = backlog.oldest

    def unacknowledged(self, counts: Mapping[str, int]) -> None:
        for type_, count in counts.items():
            self._unread.labels(type_).set(count)

    def set_aside(self, *, retrying: int, dead: int) -> None:
        self._failures.labels("retry").set(retrying)
        self._failures.labels("dead").set(dead)

    def _age(self) -> float:
        return 0.0 if self._oldest is None else max(0.0, (self._clock.now() - self._oldest).total_seconds())


class _ByType:
    """A counter with a child for each type of event."""

    def __init__(self, registry: CollectorRegistry, name: str, what: str) -> None:
        self._counter = Counter(name, what, ["type"], registry=registry)
        self._children: dict[str, Counter] = {}

    def count(self, type_: str, by: int = 1) -> None:
        child = self._children.get(type_)
        if child is None:
            child = self._children[type_] = self._counter.labels(type_)
        child.inc(by)
