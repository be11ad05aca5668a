"""Events that were given up on: to be looked at, sent again when their reason is gone, or dropped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from atoll.clock import Clock, SystemClock, from_millis, to_millis
from atoll.events import inbox_table as table
from atoll.events.inbox_table import Failure
from atoll.storage import Database, ReadOnlyDatabase


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that failed as often as it may. `body` is the whole event as it came."""

    event_id: str
    type: str
    body: bytes
    deliveries: int
    reason: str
    stack: str
    trace_id: str
    first_failed_at: datetime
    last_failed_at: datetime


class ReadOnlyDeadLetters:
    """Those of one service, to look at, while it runs or afterwards."""

    def __init__(self, database: ReadOnlyDatabase) -> None:
        self._looked_at = database

    async def list(self, *, after: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        """At most `limit` of them after the event of that id, oldest event first."""
        return [_letter(failure) for failure in await self._looked_at.read(lambda r: table.dead(r, after, limit))]

    async def show(self, event_id: str) -> DeadLetter | None:
        """The dead letter of that event, or None."""
        failure = await self._looked_at.read(lambda r: table.find_dead(r, event_id))
        return None if failure is None else _letter(failure)

    async def count(self) -> int:
        _, dead = await self._looked_at.read(table.counts)
        return dead


class DeadLetters(ReadOnlyDeadLetters):
    """Those of one service. Works beside the running service, from any process."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        super().__init__(database)
        self._database = database
        self._clock = clock or SystemClock()

    async def redrive(self, event_id: str) -> bool:
        """Let the service try it again, as often as at first; False when there is no such dead letter."""
        now = to_millis(self._clock.now())
        return await self._database.transaction(lambda tx: table.redrive(tx, event_id, now))

    async def redrive_all(self) -> int:
        """The same for all; how many there were."""
        now = to_millis(self._clock.now())
        return await self._database.transaction(lambda tx: table.redrive_all(tx, now))

    async def drop(self, event_id: str) -> bool:
        """Give it up for good: should it come once more, it counts as handled. False when there is none such."""
        return await self._database.transaction(lambda tx: table.drop(tx, event_id))


def _letter(failure: Failure) -> DeadLetter:
    return DeadLetter(
        event_id=failure.event_id,
        type=failure.type,
        body=failure.body,
        deliveries=failure.deliveries,
        reason=failure.reason,
        stack=failure.stack,
        trace_id=failure.trace_id,
        first_failed_at=from_millis(failure.first_failed_at),
        last_failed_at=from_millis(failure.last_failed_at),
    )
