"""A broker within one process, for a system that runs in one.

It keeps nothing on a disk and needs not: `publish` returns when every group that listens has acknowledged, so the
rows stay in the outbox until then, and are sent again after a crash.
"""

import asyncio
import itertools
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from atoll.clock import Clock, SystemClock
from atoll.events.broker import BrokerUnavailable, Delivery, Mark, Message

KEPT_FOR_FIRST_GROUP = 10_000
"""Messages of a topic that nobody listens to yet, of which the newest are kept for the first group that does."""

_MARK = Mark("memory", "memory")


@dataclass(slots=True, eq=False)
class _Entry:
    """A message, and how many groups have yet to acknowledge it."""

    id: str
    message: Message
    missing: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def acknowledged(self) -> None:
        self.missing -= 1
        if self.missing <= 0:
            self.done.set()


@dataclass(slots=True, eq=False)
class _HandedOut:
    """An entry that a consumer has, since when (monotonic seconds; minus infinity is released), how often given."""

    entry: _Entry
    consumer: str
    since: float
    deliveries: int
    in_hand: bool = True


class _Group:
    """One group's view of its topics: what is new to it, and what it was given."""

    def __init__(self, topics: Collection[str]) -> None:
        self.topics = set(topics)
        self.waiting: deque[_Entry] = deque()
        self.handed_out: OrderedDict[str, _HandedOut] = OrderedDict()
        self.arrived = asyncio.Event()

    def add(self, entry: _Entry) -> None:
        entry.missing += 1
        self.waiting.append(entry)
        self.arrived.set()

    def withdraw(self, entries: Iterable[_Entry]) -> None:
        """Forget entries that were given to nobody yet: who sent them will send them again."""
        for entry in entries:
            with suppress(ValueError):
                self.waiting.remove(entry)


class MemoryBroker:
    """Share one among all services of the process, and subscribe before anything is published."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._groups: dict[str, _Group] = {}
        self._unheard: dict[str, deque[_Entry]] = {}
        self._ids = itertools.count(1)
        self._open = 0

    def __repr__(self) -> str:
        return f"<MemoryBroker: {', '.join(sorted(self._groups)) or 'nobody'} listening>"

    async def publish(self, messages: Sequence[Message]) -> Mark:
        self._refuse_if_closed()
        entries = [self._add(message) for message in messages]
        try:
            for entry in entries:
                if entry.missing:
                    await entry.done.wait()
        except asyncio.CancelledError:
            for group in self._groups.values():
                group.withdraw(entries)
            raise
        return _MARK

    async def mark(self) -> Mark:
        self._refuse_if_closed()
        return _MARK

    def subscribe(
        self, group: str, topics: Collection[str], *, consumer: str, stale_after: float = 30.0
    ) -> "MemorySubscription":
        found = self._groups.setdefault(group, _Group(()))
        for topic in sorted(set(topics) - found.topics):
            found.topics.add(topic)
            for entry in self._unheard.pop(topic, ()):
                found.add(entry)
        return MemorySubscription(found, consumer, stale_after, self._clock)

    async def backlog(self, group: str, topics: Collection[str]) -> Mapping[str, int]:
        self._refuse_if_closed()
        counts = dict.fromkeys(topics, 0)
        found = self._groups.get(group, _Group(()))
        for entry in [*found.waiting, *(handed_out.entry for handed_out in found.handed_out.values())]:
            if entry.message.topic in counts:
                counts[entry.message.topic] += 1
        return counts

    async def check(self) -> None:
        self._refuse_if_closed()

    async def __aenter__(self) -> Self:
        """May be entered by each of the services that share it."""
        self._open += 1
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open -= 1

    def _add(self, message: Message) -> _Entry:
        entry = _Entry(str(next(self._ids)), message)
        listening = [group for group in self._groups.values() if message.topic in group.topics]
        for group in listening:
            group.add(entry)
        if not listening:
            self._unheard.setdefault(message.topic, deque(maxlen=KEPT_FOR_FIRST_GROUP)).append(entry)
        return entry

    def _refuse_if_closed(self) -> None:
        if not self._open:
            raise BrokerUnavailable(f"{self!r} cannot be used: enter it first, and not after leaving.")


class MemorySubscription:
    """One consumer's part in a group."""

    def __init__(self, group: _Group, consumer: str, stale_after: float, clock: Clock) -> None:
        self._group = group
        self._consumer = consumer
        self._stale_after = stale_after
        self._clock = clock
        for left in self._own():
            left.in_hand = False

    def __repr__(self) -> str:
        return f"<MemorySubscription of {self._consumer}: {len(self._own())} in hand>"

    async def read(self, at_most: int, *, wait: float) -> list[Delivery]:
        found = self._take(at_most)
        if found or wait <= 0:
            return found
        self._group.arrived.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._group.arrived.wait()
        return self._take(at_most)

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            if handed_out := self._group.handed_out.pop(delivery.id, None):
                handed_out.entry.acknowledged()

    async def release(self) -> None:
        for handed_out in self._own():
            handed_out.in_hand, handed_out.since = False, float("-inf")
        self._group.arrived.set()

    def _own(self) -> list[_HandedOut]:
        return [given for given in self._group.handed_out.values() if given.consumer == self._consumer]

    def _take(self, at_most: int) -> list[Delivery]:
        again = [given for given in self._group.handed_out.values() if self._may_take_over(given)]
        again.sort(key=lambda given: given.consumer != self._consumer)
        found = [self._given_again(given) for given in again[:at_most]]
        while self._group.waiting and len(found) < at_most:
            found.append(self._given(self._group.waiting.popleft()))
        return found

    def _may_take_over(self, given: _HandedOut) -> bool:
        if given.consumer == self._consumer:
            return not given.in_hand
        return self._clock.monotonic() - given.since >= self._stale_after

    def _given_again(self, given: _HandedOut) -> Delivery:
        given.consumer, given.since, given.in_hand = self._consumer, self._clock.monotonic(), True
        given.deliveries += 1
        return Delivery(*_of(given.entry), given.deliveries)

    def _given(self, entry: _Entry) -> Delivery:
        given = _HandedOut(entry, self._consumer, self._clock.monotonic(), 1)
        self._group.handed_out[entry.id] = given
        return Delivery(*_of(entry), 1)


def _of(entry: _Entry) -> tuple[str, str, bytes]:
    return entry.message.topic, entry.id, entry.message.body
