"""The books of all events, when quiet: who said what, and who has acted on it. Promises 13, 15 and 16.

Each event that was said was published, and noted by everybody who acts on it; nothing was noted that nobody has said;
nothing was given up. Every state of an order was told by its event, and every event tells of a state that is there.
"""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from atoll.storage import ReadOnlyDatabase

ACTS_ON: Mapping[str, frozenset[str]] = {
    "products": frozenset({"order.created", "order.cancelled"}),
    "orders": frozenset({"inventory.updated", "user.registered", "user.deleted"}),
}
"""Who acts on which type of event."""

MOST_TOLD = 5

T = TypeVar("T")

_SAID = "SELECT event_id, type, body, published_at FROM outbox"
_NOTED = "SELECT event_id FROM inbox"
_FAILED = "SELECT event_id, type, reason FROM inbox_failures"
_STATES = "SELECT id, changes FROM orders"


class _Event(msgspec.Struct):
    subject: str
    sequence: int


_read = msgspec.json.Decoder(_Event).decode


@dataclass
class EventBooks:
    """What the databases of all services hold of events."""

    said: dict[str, str] = field(default_factory=dict)
    """The type of each event, by its id."""
    unpublished: set[str] = field(default_factory=set)
    told_states: set[tuple[str, int, str]] = field(default_factory=set)
    states: set[tuple[str, int, str]] = field(default_factory=set)
    noted: dict[str, set[str]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def findings(self) -> list[str]:
        """Sentences about what is not as promised; none when all is."""
        return [*self._unsent(), *self._not_acted_on(), *self._never_said(), *self._untold(), *self.failed[:MOST_TOLD]]

    def _unsent(self) -> Iterator[str]:
        yield from _told(self.unpublished, lambda each: f"{self.said[each]} {each} was never published")

    def _not_acted_on(self) -> Iterator[str]:
        for service, types in ACTS_ON.items():
            told = {event_id for event_id, type_ in self.said.items() if type_ in types}
            for sentence in _told(told - self.noted[service], lambda each: f"{self.said[each]} {each} was not noted"):
                yield f"{service}: {sentence}"

    def _never_said(self) -> Iterator[str]:
        for service, noted in self.noted.items():
            for sentence in _told(noted - self.said.keys(), lambda each: f"{each} was noted, and nobody has said it"):
                yield f"{service}: {sentence}"

    def _untold(self) -> Iterator[str]:
        yield from _told(self.states - self.told_states, lambda each: f"nobody was told of {each}")
        yield from _told(self.told_states - self.states, lambda each: f"an event tells of {each}, which never was")


async def read_books(databases: Mapping[str, ReadOnlyDatabase]) -> EventBooks:
    """Read them; the databases are those of all services with events, by their names."""
    books = EventBooks()
    for service, database in databases.items():
        async for event_id, type_, body, published_at in database.stream(_SAID):
            books.said[event_id] = type_
            if published_at is None:
                books.unpublished.add(event_id)
            if type_.startswith("order."):
                event = _read(bytes(body))
                books.told_states.add((event.subject, event.sequence, _state(type_)))
        books.noted[service] = {event_id async for (event_id,) in database.stream(_NOTED)}
        for event_id, type_, reason in await database.fetch_all(_FAILED):
            books.failed.append(f"{service} gave up {type_} {event_id}: {reason}")
    async for order_id, changes in databases["orders"].stream(_STATES):
        for number, change in enumerate(changes.split(), 1):
            books.states.add((order_id, number, change.partition(":")[0]))
    return books


def _state(type_: str) -> str:
    name = type_.removeprefix("order.")
    return "pending" if name == "created" else name


def _told(found: AbstractSet[T], sentence: Callable[[T], str]) -> Iterator[str]:
    for each in list(found)[:MOST_TOLD]:
        yield sentence(each)
    if len(found) > MOST_TOLD:
        yield f"... and {len(found) - MOST_TOLD:,} more"
