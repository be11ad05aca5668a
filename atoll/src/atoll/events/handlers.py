"""Which events a service acts on, and how."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from atoll import context
from atoll.context import RequestContext
from atoll.events.envelope import Event, EventType, EventUnreadable, read_envelope
from atoll.observability.tracing import TraceContext
from atoll.storage import Transaction

T = TypeVar("T")

HandledHook: TypeAlias = Callable[[Sequence[Event[Any]]], None]
"""Hears of events whose effect has just become durable. Must not raise."""


@dataclass(frozen=True)
class On(Generic[T]):
    """One line of a service's table of contents: `On(ORDER_CANCELLED, self.release)`.

    The handler may await nothing but the transaction, in which the event is noted as well. It may run more than once,
    and for events in any order, but only once with effect. When it raises, nothing of it is there, and it is tried
    again later.
    """

    type: EventType[T]
    handler: Callable[[Event[T], Transaction], Awaitable[None]]

    async def act(self, events: Sequence[Event[T]], tx: Transaction) -> None:
        """One after the other, each within its own trace."""
        for event in events:
            with _in_trace_of(event):
                await self.handler(event, tx)


@dataclass(frozen=True)
class OnMany(Generic[T]):
    """A line whose handler is given its events together, as many as have come: `OnMany(ORDER_CREATED, self.settle)`.

    What would cost a statement for each of them costs one for all. As for `On`; when it raises, each event is tried
    alone, so that one takes no other with it. It is in the trace of the first: the events that it makes should name
    their `cause`.
    """

    type: EventType[T]
    handler: Callable[[Sequence[Event[T]], Transaction], Awaitable[None]]

    async def act(self, events: Sequence[Event[T]], tx: Transaction) -> None:
        """All at once, within the trace of the first."""
        with _in_trace_of(events[0]):
            await self.handler(events, tx)


Line: TypeAlias = On[Any] | OnMany[Any]


class Handlers:
    """All lines of the table. ValueError when a type has two."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._by_type = {line.type.name: line for line in lines}
        if len(self._by_type) != len(lines):
            raise ValueError("Each type of event can have one handler in a service; let it do both things.")

    def __repr__(self) -> str:
        return f"<Handlers of {', '.join(self._by_type)}>"

    @property
    def types(self) -> list[str]:
        return list(self._by_type)

    def read(self, body: bytes, topic: str) -> Event[Any]:
        """The event with its data understood; `EventUnreadable` when it is none of those that are handled here.

        It is read at once as what its topic promises, and only if it is not that, in two steps which tell what it is.
        """
        line = self._by_type.get(topic)
        event = None if line is None else line.type.read_whole(body)
        return self._read_in_steps(body) if event is None else event

    def _read_in_steps(self, body: bytes) -> Event[Any]:
        envelope = read_envelope(body)
        line = self._by_type.get(envelope.type)
        if line is None:
            raise EventUnreadable(f"Nothing here acts on {envelope.type}.")
        return line.type.read(envelope)

    async def act(self, events: Sequence[Event[Any]], tx: Transaction) -> None:
        """Hand the events to their handlers, type by type; within a type in their order."""
        by_type: dict[str, list[Event[Any]]] = {}
        for event in events:
            by_type.setdefault(event.type, []).append(event)
        for type_, some in by_type.items():
            await self._by_type[type_].act(some, tx)


@contextmanager
def _in_trace_of(event: Event[Any]) -> Iterator[None]:
    token = context.current.set(RequestContext(TraceContext.parse(event.traceparent).child(), event.id))
    try:
        yield
    finally:
        context.current.reset(token)
