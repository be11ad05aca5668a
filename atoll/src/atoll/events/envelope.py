"""What travels: CloudEvents 1.0 in JSON, https://github.com/cloudevents/spec.

Beside the attributes that the standard requires, an event carries `traceparent` (its extension for distributed
tracing) and `sequence`: its number among the events of its subject, from 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

from atoll import context, wire
from atoll.clock import Clock, SystemClock
from atoll.ids import NewId, uuid7
from atoll.observability.tracing import TraceContext, next_header
from atoll.problems import BadRequest, InvalidFields
from atoll.wire import Model

T = TypeVar("T")
U = TypeVar("U")


class EventUnreadable(ValueError):
    """What came is no event, or its data is not what was agreed on; the message says where and why."""


class Event(Model, Generic[T]):
    """Something that has happened. `source` is the service it happened in, `subject` the thing it happened to.

    `id` is a UUIDv7 and stays the same however often the event is sent.
    """

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    sequence: int
    data: T
    traceparent: str | None = None
    datacontenttype: str = "application/json"
    specversion: Literal["1.0"] = "1.0"

    def __repr__(self) -> str:
        return f"<Event {self.type} {self.id} of {self.source}: {self.subject} no. {self.sequence}>"


@dataclass(frozen=True)
class EventType(Generic[T]):
    """A contract: events of this `name` carry `data` of this type. Only ever added to, see `atoll.events.contracts`."""

    name: str
    data: type[T]

    def __str__(self) -> str:
        return self.name

    def read_as(self, data: type[U]) -> "EventType[U]":
        """The same contract for a reader who needs no more of the data than `data` names: what is left out costs
        nothing to read."""
        return EventType(self.name, data)

    @cached_property
    def _decoder(self) -> wire.Decoder[T]:
        return wire.decoder(self.data)

    @cached_property
    def _whole(self) -> wire.Decoder[Event[T]]:
        return wire.decoder(Event[self.data])  # type: ignore[name-defined]  # known only here

    def read_whole(self, body: bytes) -> Event[T] | None:
        """The event that travelled, if it is one of this type; None when it is not, and why is for others to say."""
        try:
            event = self._whole.decode(body)
        except (BadRequest, InvalidFields):
            return None
        return event if event.type == self.name else None

    def read(self, event: Event[wire.Raw]) -> Event[T]:
        """The same event with its data understood; `EventUnreadable` when that is not what was agreed on."""
        return Event(
            id=event.id,
            source=event.source,
            type=event.type,
            subject=event.subject,
            time=event.time,
            sequence=event.sequence,
            data=_understood(self._decoder, event.data, f"The data of {event.type} {event.id}"),
            traceparent=event.traceparent,
        )


class EventSource:
    """Makes the events of one service: each with an id and a time of its own, in the trace of the request in hand."""

    def __init__(self, source: str, *, clock: Clock | None = None, new_id: NewId | None = None) -> None:
        self.source = source
        self._clock = clock or SystemClock()
        self._new_id = new_id or uuid7(self._clock)

    def __repr__(self) -> str:
        return f"EventSource({self.source!r})"

    def event(
        self, type_: EventType[T], *, subject: str, sequence: int, data: T, cause: Event[Any] | None = None
    ) -> Event[T]:
        """An event of `type_` that happens now; in the trace of the event that is its cause, if it has one."""
        return Event(
            id=self._new_id(),
            source=self.source,
            type=type_.name,
            subject=subject,
            time=self._clock.now(),
            sequence=sequence,
            data=data,
            traceparent=_traceparent() if cause is None else next_header(TraceContext.parse(cause.traceparent)),
        )


encode: Callable[[Event[Any]], bytes] = wire.encode
"""The event as it travels."""


_envelopes = wire.decoder(Event[wire.Raw])


def read_envelope(body: bytes) -> Event[wire.Raw]:
    """The event that travelled, its data still as it came; `EventUnreadable` when it is none."""
    return _understood(_envelopes, body, "The message")


def _understood(decoder: wire.Decoder[T], body: bytes | wire.Raw, what: str) -> T:
    try:
        return decoder.decode(body)
    except BadRequest as problem:
        raise EventUnreadable(f"{what} cannot be read. {problem.detail}") from problem
    except InvalidFields as problem:
        found = "; ".join(f"{mistake.pointer}: {mistake.detail}" for mistake in problem.errors)
        raise EventUnreadable(f"{what} cannot be read. {found}") from problem


def _traceparent() -> str:
    in_hand = context.current.get()
    return next_header(in_hand.trace if in_hand else None)
