"""The events of one service, joined: what it sends, what it acts on, and the jobs that do so."""

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry

from atoll.clock import Clock, SystemClock
from atoll.events.broker import Broker
from atoll.events.dead_letters import DeadLetters
from atoll.events.failures import DEFAULT_REDELIVERY, Failures, RedeliveryPolicy
from atoll.events.forgetting import ForgettingEvents
from atoll.events.handlers import HandledHook, Handlers, Line
from atoll.events.inbox import Inbox
from atoll.events.metrics import EventMetrics
from atoll.events.outbox import Outbox
from atoll.events.relay import OutboxRelay
from atoll.events.subscriber import Subscriber
from atoll.running import Job
from atoll.storage import Database


class ServiceEvents:
    """For the composition of a service: give `jobs` to it, and enter the broker among its resources.

    `subscriptions` is the table of what it acts on. `consumer` names this process among the replicas of the service;
    keep it over a restart, and what the process left half-done is taken up at once. `handled` is called with events
    whose effect has just become durable.
    """

    def __init__(
        self,
        outbox: Outbox,
        database: Database,
        broker: Broker,
        subscriptions: Sequence[Line] = (),
        *,
        consumer: str,
        metrics: CollectorRegistry,
        clock: Clock | None = None,
        handled: HandledHook | None = None,
        redelivery: RedeliveryPolicy = DEFAULT_REDELIVERY,
        concurrency: int = 1,
    ) -> None:
        clock = clock or SystemClock()
        database = outbox.waking(database)
        counting = EventMetrics(metrics, clock)
        handlers = Handlers(subscriptions)
        self.dead_letters = DeadLetters(database, clock)
        self.relay = OutboxRelay(outbox, database, broker, counting, clock=clock)
        self._forgetting = ForgettingEvents(database, clock)
        self._failures = Failures(database, handlers, counting, clock, policy=redelivery, handled=handled)
        self._subscriber = (
            Subscriber(
                outbox.source,
                handlers.types,
                Inbox(database, handlers, self._failures, counting, clock=clock, handled=handled),
                broker,
                metrics=counting,
                clock=clock,
                consumer=consumer,
                concurrency=concurrency,
            )
            if subscriptions
            else None
        )

    def __repr__(self) -> str:
        return f"<ServiceEvents {self.relay!r}, {self._subscriber!r}>"

    @property
    def jobs(self) -> Mapping[str, Job]:
        """To be run from the start of the service to its end, with the database and the broker entered."""
        sending: dict[str, Job] = {"sending events": self.relay.run, "forgetting events": self._forgetting.run}
        if self._subscriber is None:
            return sending
        return {
            **sending,
            "acting on events": self._subscriber.run,
            "acting on events that failed": self._failures.run,
            "watching events": self._subscriber.watch,
        }
