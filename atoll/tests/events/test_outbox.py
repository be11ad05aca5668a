"""Events are added with their state, and all of them are sent."""

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from atoll.events import Broker, BrokerUnavailable, Mark, Message, Outbox
from atoll.events.forgetting import NOTES_KEPT_FOR, ForgettingEvents
from atoll.events.metrics import EventMetrics
from atoll.events.relay import KEPT_FOR, OutboxRelay
from atoll.storage import Database, Transaction
from atoll.testing.clock import ManualClock
from atoll.testing.event_services import PLACED, Placed
from atoll.testing.eventually import eventually


class RecordingBroker:
    """Remembers what it was given; fails, or becomes another one, when told to."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.now = Mark("epoch-1", "run-1")
        self.away = False
        self.published = asyncio.Event()

    async def publish(self, messages: list[Message]) -> Mark:
        if self.away:
            raise BrokerUnavailable("away")
        self.sent += [message.body.decode().split('"subject":"')[1].split('"')[0] for message in messages]
        self.published.set()
        return self.now

    async def mark(self) -> Mark:
        if self.away:
            raise BrokerUnavailable("away")
        return self.now


class Scene:
    """A process with an outbox in `database`."""

    def __init__(self, database: Database, broker: RecordingBroker, clock: ManualClock) -> None:
        self.outbox = Outbox("orders", clock=clock)
        self.database = self.outbox.waking(database)
        self.metrics = CollectorRegistry()
        port: Broker = broker  # type: ignore[assignment]  # of which a relay needs no more
        self.relay = OutboxRelay(self.outbox, database, port, EventMetrics(self.metrics, clock), clock=clock)

    async def add(self, *subjects: str) -> None:
        async def body(tx: Transaction) -> None:
            for number, subject in enumerate(subjects, 1):
                data = Placed(order_id=subject)
                await self.outbox.announce(tx, PLACED, subject=subject, sequence=number, data=data)

        await self.database.transaction(body)

    async def turns(self, count: int = 5) -> None:
        for _ in range(count):
            await self.relay.turn()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def broker() -> RecordingBroker:
    return RecordingBroker()


@pytest.fixture
def scene(database: Database, broker: RecordingBroker, clock: ManualClock) -> Scene:
    return Scene(database, broker, clock)


async def test_an_event_of_a_transaction_that_fails_never_happened(scene: Scene, broker: RecordingBroker) -> None:
    async def body(tx: Transaction) -> None:
        await scene.outbox.announce(tx, PLACED, subject="x", sequence=1, data=Placed(order_id="x"))
        raise LookupError

    with pytest.raises(LookupError):
        await scene.database.transaction(body)
    await scene.turns()

    assert [] == broker.sent


async def test_events_are_sent_once_and_in_order(scene: Scene, broker: RecordingBroker, clock: ManualClock) -> None:
    await scene.add("a", "b", "c")
    await clock.advance(0.001)
    await scene.add("d")
    await scene.turns()

    assert ["a", "b", "c", "d"] == broker.sent
    assert 4 == scene.metrics.get_sample_value("events_published_total", {"type": "order.placed"})


async def test_the_commit_wakes_the_relay(scene: Scene, broker: RecordingBroker, clock: ManualClock) -> None:
    running = asyncio.create_task(scene.relay.run())
    await clock.wait_for_sleepers()
    await scene.add("a")
    await asyncio.wait_for(broker.published.wait(), 10)  # though time stands still
    running.cancel()

    assert ["a"] == broker.sent


async def test_a_broker_that_is_away_gets_everything_when_it_is_back(
    scene: Scene, broker: RecordingBroker, clock: ManualClock
) -> None:
    broker.away = True
    running = asyncio.create_task(scene.relay.run())
    for number in range(5):
        await scene.add(f"s{number}")
        await clock.advance(5)
    broker.away = False
    await clock.advance(10)
    await eventually(lambda: len(broker.sent) == 5)
    running.cancel()

    assert [f"s{number}" for number in range(5)] == broker.sent


async def test_what_a_dead_process_left_is_sent_by_one_of_the_others(
    scene: Scene, database: Database, broker: RecordingBroker, clock: ManualClock
) -> None:
    await Scene(database, broker, clock).add("left")
    other = Scene(database, broker, clock)
    await scene.turns()
    assert [] == broker.sent

    await clock.advance(1.5)
    await asyncio.gather(scene.turns(), other.turns())
    assert ["left"] == broker.sent


async def test_two_relays_at_once_send_everything(
    scene: Scene, database: Database, broker: RecordingBroker, clock: ManualClock
) -> None:
    other = Scene(database, broker, clock)
    await asyncio.gather(*((scene if n % 2 else other).add(f"s{n}") for n in range(250)))
    await asyncio.gather(scene.turns(), other.turns())

    assert sorted(f"s{n}" for n in range(250)) == sorted(broker.sent)


async def test_a_broker_that_lost_everything_gets_it_again(
    scene: Scene, broker: RecordingBroker, clock: ManualClock
) -> None:
    await scene.add("a", "b")
    await scene.turns()
    await clock.advance(3600)
    broker.sent, broker.now = [], Mark("epoch-2", "run-2")
    await scene.add("c")
    for _ in range(3):
        await scene.turns()
        await clock.advance(2)

    assert {"a", "b", "c"} == set(broker.sent)


async def test_so_does_one_that_lost_it_while_nobody_looked(
    scene: Scene, database: Database, broker: RecordingBroker, clock: ManualClock
) -> None:
    await scene.add("a")
    await scene.turns()
    broker.sent, broker.now = [], Mark("epoch-2", "run-2")
    await clock.advance(3600)
    again = Scene(database, broker, clock)
    for _ in range(3):
        await again.turns()
        await clock.advance(2)

    assert ["a"] == broker.sent


async def test_one_that_was_restarted_gets_the_last_minute_before_again(
    scene: Scene, broker: RecordingBroker, clock: ManualClock
) -> None:
    await scene.add("old")
    await scene.turns()
    await clock.advance(61)
    await scene.add("recent")
    await scene.turns()
    await clock.advance(3600)
    broker.sent, broker.now = [], Mark("epoch-1", "run-2")
    for _ in range(3):
        await scene.turns()
        await clock.advance(2)

    assert ["recent"] == broker.sent


async def test_events_older_than_a_week_are_not_sent_again(
    scene: Scene, broker: RecordingBroker, clock: ManualClock
) -> None:
    await scene.add("old")
    await scene.turns()
    await clock.advance(KEPT_FOR + 1)
    broker.sent, broker.now = [], Mark("epoch-2", "run-2")
    for _ in range(3):
        await scene.turns()
        await clock.advance(2)

    assert [] == broker.sent


async def test_what_was_sent_long_ago_is_forgotten_and_what_was_not_is_kept(
    scene: Scene, database: Database, clock: ManualClock
) -> None:
    await scene.add("sent")
    await scene.turns()
    await scene.add("not sent")
    await database.transaction(
        lambda tx: tx.execute(
            "INSERT INTO inbox (event_id, noted_at) VALUES ('e', $1)", int(clock.now().timestamp() * 1000)
        )
    )
    forgetting = ForgettingEvents(database, clock)
    assert 0 == await forgetting.forget()

    clock.set_now(clock.now() + timedelta(seconds=KEPT_FOR))
    assert 1 == await forgetting.forget()

    clock.set_now(clock.now() + timedelta(seconds=NOTES_KEPT_FOR - KEPT_FOR))
    assert 1 == await forgetting.forget()
    assert (1,) == await database.fetch_one("SELECT count(*) FROM outbox")


async def test_the_backlog_is_measured(scene: Scene, broker: RecordingBroker, clock: ManualClock) -> None:
    await scene.add("a", "b")
    broker.away = True
    await clock.advance(7)
    with pytest.raises(BrokerUnavailable):
        await scene.relay.turn()

    assert 2 == scene.metrics.get_sample_value("events_outbox_waiting")
    assert 7 == scene.metrics.get_sample_value("events_outbox_oldest_seconds")
