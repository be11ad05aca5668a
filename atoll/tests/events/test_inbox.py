"""Each event has its effect once, in whatever order and however often it comes."""

import asyncio
import json
import random
import tempfile
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from atoll import context
from atoll.clock import Clock, SystemClock
from atoll.events import Delivery, Event, EventSource, EventType, Line, On, OnMany, RedeliveryPolicy
from atoll.events.dead_letters import DeadLetters
from atoll.events.envelope import encode
from atoll.events.failures import Failures
from atoll.events.handlers import Handlers
from atoll.events.inbox import SUSPICIOUS, Inbox
from atoll.events.metrics import EventMetrics
from atoll.observability.tracing import TraceContext
from atoll.storage import Database, DatabaseUnavailable, Transaction, open_database
from atoll.testing.clock import ManualClock
from atoll.testing.event_faults import Crashed, Crashes, CrashingDatabase
from atoll.testing.event_services import MIGRATIONS
from atoll.wire import Model


class Moved(Model):
    by: int


MOVED = EventType("stock.moved", Moved)
CLOSED = EventType("stock.closed", Moved)
COUNTED = EventType("stock.counted", Moved)
SOURCE = EventSource("stock")

Taken = tuple[Inbox, Failures, DeadLetters]


class Book:
    """A state machine: the sum of all moves, whether it is closed, and in `seen` what was handled when."""

    def __init__(self) -> None:
        self.poison: set[str] = set()
        self.traces: list[str] = []
        self.together: list[int] = []

    def lines(self) -> list[Line]:
        return [On(MOVED, self.move), On(CLOSED, self.close), OnMany(COUNTED, self.count)]

    async def move(self, event: Event[Moved], tx: Transaction) -> None:
        in_hand = context.current.get()
        assert in_hand is not None
        self.traces.append(in_hand.trace.trace_id)
        await tx.execute(
            "INSERT INTO settled (order_id, times) VALUES ($1, $2) "
            "ON CONFLICT (order_id) DO UPDATE SET times = settled.times + excluded.times",
            event.subject,
            event.data.by,
        )
        if event.subject in self.poison:
            raise ValueError("poison")

    async def count(self, events: Sequence[Event[Moved]], tx: Transaction) -> None:
        self.together.append(len(events))
        for event in events:
            await self.move(event, tx)

    async def close(self, event: Event[Moved], tx: Transaction) -> None:
        await tx.execute(
            "INSERT INTO orders (id, status, confirmations) VALUES ($1, 'closed', 1) "
            "ON CONFLICT (id) DO UPDATE SET confirmations = orders.confirmations + 1",
            event.subject,
        )


def parts(database: Database, book: Book, clock: Clock | None = None, policy: RedeliveryPolicy | None = None) -> Taken:
    clock = clock or SystemClock()
    handlers = Handlers(book.lines())
    metrics = EventMetrics(CollectorRegistry(), clock)
    failures = Failures(database, handlers, metrics, clock, policy=policy or RedeliveryPolicy())
    return Inbox(database, handlers, failures, metrics, clock=clock), failures, DeadLetters(database, clock)


def moved(subject: str, by: int = 1, type_: EventType[Moved] = MOVED) -> Event[Moved]:
    return SOURCE.event(type_, subject=subject, sequence=1, data=Moved(by=by))


def delivered(*events: Event[Moved], deliveries: int = 1) -> list[Delivery]:
    return [Delivery(event.type, event.id, encode(event), deliveries) for event in events]


async def sums(database: Database) -> dict[str, int]:
    return dict(await database.fetch_all("SELECT order_id, times FROM settled"))


async def closings(database: Database) -> dict[str, int]:
    return dict(await database.fetch_all("SELECT id, confirmations FROM orders"))


MOVES = st.tuples(st.sampled_from("abc"), st.integers(-5, 5), st.sampled_from([MOVED, CLOSED, COUNTED]))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(MOVES, st.integers(1, 5)), min_size=1, max_size=12), st.integers(1, 10), st.randoms())
def test_any_shuffle_and_repetition_gives_the_same_database(
    moves: list[tuple[tuple[str, int, EventType[Moved]], int]], size: int, chance: random.Random
) -> None:
    """Each event one to five times, shuffled and cut into batches, one after the other and all at once."""
    events = [moved(*move) for move, _ in moves]
    copies = [event for event, (_, times) in zip(events, moves, strict=True) for _ in range(times)]
    chance.shuffle(copies)
    batches = [copies[first : first + size] for first in range(0, len(copies), size)]

    async def outcome(batches: Sequence[Sequence[Event[Moved]]], at_once: bool) -> object:
        with tempfile.TemporaryDirectory() as folder:
            async with open_database(f"sqlite:///{folder}/test.db") as database:
                await database.migrate(MIGRATIONS)
                inbox, *_ = parts(database, Book())
                if at_once:
                    await asyncio.gather(*(inbox.take(delivered(*batch)) for batch in batches))
                else:
                    for batch in batches:
                        await inbox.take(delivered(*batch))
                return await sums(database), await closings(database)

    expected = asyncio.run(outcome([events], at_once=False))
    assert expected == asyncio.run(outcome(batches, at_once=False))
    assert expected == asyncio.run(outcome(batches, at_once=True))


async def test_it_works_on_each_engine(database: Database) -> None:
    inbox, _, dead = parts(database, Book())
    events = [moved(f"s{number}") for number in range(120)]
    await asyncio.gather(inbox.take(delivered(*events[:80])), inbox.take(delivered(*events[40:], *events[:10])))

    assert {f"s{number}": 1 for number in range(120)} == await sums(database)
    assert 0 == await dead.count()


async def test_a_poisoned_event_takes_nobody_with_it(database: Database) -> None:
    book = Book()
    book.poison = {"s3"}
    inbox, *_ = parts(database, book)
    await inbox.take(delivered(*(moved(f"s{number}") for number in range(6))))

    assert {"s0": 1, "s1": 1, "s2": 1, "s4": 1, "s5": 1} == await sums(database)


async def test_events_that_have_come_together_are_handed_over_together(database: Database) -> None:
    book = Book()
    inbox, *_ = parts(database, book)
    await inbox.take(delivered(*(moved(f"s{number}", type_=COUNTED) for number in range(6)), moved("t")))

    assert [6] == book.together
    assert {**{f"s{number}": 1 for number in range(6)}, "t": 1} == await sums(database)


async def test_of_those_that_came_together_a_poisoned_one_takes_nobody_with_it(database: Database) -> None:
    book = Book()
    book.poison = {"s3"}
    inbox, *_ = parts(database, book)
    await inbox.take(delivered(*(moved(f"s{number}", type_=COUNTED) for number in range(6))))

    assert [6, 1, 1, 1, 1, 1, 1] == book.together
    assert {"s0": 1, "s1": 1, "s2": 1, "s4": 1, "s5": 1} == await sums(database)


async def test_it_is_tried_again_after_growing_pauses_and_then_it_is_dead(database: Database) -> None:
    clock, book = ManualClock(), Book()
    book.poison = {"s"}
    inbox, failures, dead = parts(database, book, clock)
    began = clock.monotonic()
    attempts = [0.0]
    await inbox.take(delivered(event := moved("s")))
    while not await dead.count():
        await clock.advance(0.5)
        if await failures.turn():
            attempts.append(clock.monotonic() - began)

    assert [0.0, 1.0, 3.0, 7.0, 15.0] == attempts
    (letter,) = await dead.list()
    assert (event.id, "stock.moved", 5) == (letter.event_id, letter.type, letter.deliveries)
    assert "ValueError: poison" == letter.reason
    assert "in move" in letter.stack
    assert TraceContext.parse(event.traceparent).trace_id == letter.trace_id
    assert "s" == json.loads(letter.body)["subject"]
    assert 15.0 == (letter.last_failed_at - letter.first_failed_at).total_seconds()

    await inbox.take(delivered(event))
    assert {} == await sums(database)
    assert 1 == await dead.count()


async def test_pauses_have_a_longest_one() -> None:
    policy = RedeliveryPolicy(max_deliveries=20)

    assert [1, 2, 4, 8, 16, 32, 60, 60] == [policy.pause(deliveries) for deliveries in range(1, 9)]


async def test_a_dead_letter_is_sent_again_or_dropped(database: Database) -> None:
    clock, book = ManualClock(), Book()
    book.poison = {"a", "b"}
    inbox, failures, dead = parts(database, book, clock, RedeliveryPolicy(max_deliveries=1))
    one, other = moved("a"), moved("b")
    await inbox.take(delivered(one, other))
    await clock.advance(1)
    await failures.turn()
    assert {one.id, other.id} == {letter.event_id for letter in await dead.list()}

    book.poison.clear()
    assert await dead.redrive(one.id)
    assert not await dead.redrive(one.id)
    assert await dead.drop(other.id)
    await failures.turn()
    await inbox.take(delivered(one, other))

    assert {"a": 1} == await sums(database)
    assert 0 == await dead.count()


async def test_an_attempt_that_ends_the_process_counts(database: Database) -> None:
    clock, book = ManualClock(), Book()
    book.poison = {"s"}
    inbox, failures, dead = parts(database, book, clock, RedeliveryPolicy(max_deliveries=3))
    await inbox.take(delivered(moved("s")))
    book.poison.clear()
    for _ in range(2):
        await clock.advance(4)
        dying = parts(CrashingDatabase(database, Crashes("before commit", 2)), book, clock)[1]
        with pytest.raises(Crashed):
            await dying.turn()
    await clock.advance(60)
    await failures.turn()

    assert 1 == await dead.count()
    assert {} == await sums(database)


async def test_what_is_delivered_again_and_again_is_tried_alone(database: Database) -> None:
    clock, book = ManualClock(), Book()
    inbox, failures, _ = parts(database, book, clock)
    await inbox.take(delivered(moved("s"), deliveries=SUSPICIOUS + 1))
    assert {} == await sums(database)

    await clock.advance(1)
    await failures.turn()
    assert {"s": 1} == await sums(database)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"nonsense", "EventUnreadable: The message cannot be read. The body is not JSON"),
        (encode(moved("s")).replace(b'"by"', b'"buy"'), "EventUnreadable: The data of stock.moved"),
        (encode(moved("s")).replace(b"stock.moved", b"stock.lost"), "EventUnreadable: Nothing here acts on stock.lost"),
    ],
)
async def test_what_cannot_be_read_is_a_dead_letter_at_once(database: Database, body: bytes, reason: str) -> None:
    inbox, _, dead = parts(database, Book())
    for _ in range(2):
        await inbox.take([Delivery("stock.moved", "1-1", body, 1), *delivered(moved("good"))])

    (letter,) = await dead.list()
    assert letter.reason.startswith(reason)
    assert body == letter.body
    assert {"good": 2} == await sums(database)


async def test_a_handler_works_in_the_trace_of_the_event(database: Database) -> None:
    book = Book()
    event = moved("s")
    await parts(database, book)[0].take(delivered(event))

    assert [TraceContext.parse(event.traceparent).trace_id] == book.traces
    assert context.current.get() is None


async def test_while_the_database_is_away_nothing_is_set_aside(database: Database) -> None:
    crashes = Crashes("after commit")
    crashes.crashed.set()
    inbox, *_ = parts(CrashingDatabase(database, crashes), Book())
    with pytest.raises(DatabaseUnavailable):
        await inbox.take(delivered(moved("s")))

    assert [] == await database.fetch_all("SELECT event_id FROM inbox_failures")


def test_a_type_has_one_handler() -> None:
    with pytest.raises(ValueError, match="one handler in a service"):
        Handlers([*Book().lines(), On(MOVED, Book().close)])
