"""What services say, as somebody sees it who only looks: the outboxes, read from outside.

A broker forgets what everybody has dealt with; an outbox keeps it for a week. So this shows all of it, also while the
broker is away, and no consumer of any group notices.
"""

import heapq
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import NamedTuple

from atoll.storage import ReadOnlyDatabase

LATE = 2_000
"""Milliseconds in which a transaction may still be committed after others that added their events later."""

_ADDED = """
    SELECT added_at, sequence, event_id, type, body FROM outbox
    WHERE published_at IS NULL AND added_at >= $1
    UNION ALL
    SELECT added_at, sequence, event_id, type, body FROM outbox
    WHERE published_at >= $1 AND added_at >= $1
    ORDER BY 1, 2, 3
"""


class Addition(NamedTuple):
    """An event in an outbox, `added_at` milliseconds of Unix time; `body` is the event as it travels."""

    added_at: int
    sequence: int
    event_id: str
    type: str
    body: bytes


class Additions:
    """The events of one service from the moment `since` (ms) on. Each is told once."""

    def __init__(self, database: ReadOnlyDatabase, since: int) -> None:
        self._database = database
        self._since = since
        self._told: OrderedDict[str, int] = OrderedDict()

    async def look(self) -> AsyncGenerator[Addition, None]:
        """What has been added since the last look, the oldest first."""
        newest = self._since
        async with aclosing(self._rows()) as rows:
            async for addition in rows:
                newest = addition.added_at
                if addition.event_id not in self._told:
                    self._remember(addition)
                    yield addition
        self._since = max(self._since, newest - LATE)

    def _remember(self, addition: Addition) -> None:
        """Until it cannot come any more."""
        self._told[addition.event_id] = addition.added_at
        while next(iter(self._told.values())) < addition.added_at - LATE:
            self._told.popitem(last=False)

    async def _rows(self) -> AsyncGenerator[Addition, None]:
        async for added_at, sequence, event_id, type_, body in self._database.stream(_ADDED, self._since):
            yield Addition(added_at, sequence, event_id, type_, bytes(body))


async def in_order(sources: Sequence[AsyncIterator[Addition]]) -> AsyncGenerator[Addition, None]:
    """What several services have added, as one sequence."""
    heads = [(head, number) for number, source in enumerate(sources) if (head := await anext(source, None))]
    heapq.heapify(heads)
    while heads:
        head, number = heads[0]
        yield head
        if following := await anext(sources[number], None):
            heapq.heapreplace(heads, (following, number))
        else:
            heapq.heappop(heads)
