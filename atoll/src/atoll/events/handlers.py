"""Which events a service acts on, and how."""

from collections.abc import Awaitable, Callable, Sequence
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
    """One line of a service's table of contents: `On(ORDER_CREATED, self.settle_order)`.

    The handler may await nothing but the transaction, in which the event is noted as well. It may run more than once,
    and for events in any order, but only once with effect. When it raises, nothing of it is there, and it is tried
    again later.
    """

    type: EventType[T]
    handler: Callable[[Event[T], Transaction], Awaitable[None]]


class Handlers:
    """All lines of the table. ValueError when a type has two."""

    def __init__(self, lines: Sequence[On[Any]]) -> None:
        self._by_type = {line.type.name: line for line in lines}
        if len(self._by_type) != len(lines):
            raise ValueError("Each type of event can have one handler in a service; let it do both things.")

    def __repr__(self) -> str:
        return f"<Handlers of {', '.join(self._by_type)}>"

    @property
    def types(self) -> list[str]:
        return list(self._by_type)

    def read(self, body: bytes) -> Event[Any]:
        """The event with its data understood; `EventUnreadable` when it is none of those that are handled here."""
        envelope = read_envelope(body)
        line = self._by_type.get(envelope.type)
        if line is None:
            raise EventUnreadable(f"Nothing here acts on {envelope.type}.")
        return line.type.read(envelope)

    async def act(self, event: Event[Any], tx: Transaction) -> None:
        """Call the handler, within the trace of the event."""
        token = context.current.set(RequestContext(TraceContext.parse(event.traceparent).child(), event.id))
        try:
            await self._by_type[event.type].handler(event, tx)
        finally:
            context.current.reset(token)
