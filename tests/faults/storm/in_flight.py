"""What was in flight at a moment: a kill that met nothing shows nothing, and is not counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from atoll.storage import DatabaseUnavailable, ReadOnlyDatabase
from shop_proof.history import lines

_WAITING = "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE published_at IS NULL LIMIT 1000) AS waiting"


@dataclass(frozen=True, slots=True)
class InFlight:
    """Requests that clients have no answer to, and events that no broker has."""

    requests: int
    events: int

    def __bool__(self) -> bool:
        return bool(self.requests or self.events)

    def __str__(self) -> str:
        return f"{self.requests} requests and {self.events} events in flight"


class Watching:
    """Looks at the history while it is written, and at the outboxes."""

    def __init__(self, history: Path, databases: Mapping[str, ReadOnlyDatabase]) -> None:
        self._history = history
        self._databases = databases
        self._read = 0
        self._unanswered: set[int] = set()

    async def now(self) -> InFlight:
        self._catch_up()
        return InFlight(len(self._unanswered), sum([await _waiting(each) for each in self._databases.values()]))

    def _catch_up(self) -> None:
        with self._history.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                match lines.decode(line):
                    case lines.Sent(number=number):
                        self._unanswered.add(number)
                    case lines.Answered(number=number) | lines.Unanswered(number=number):
                        self._unanswered.discard(number)


async def _waiting(database: ReadOnlyDatabase) -> int:
    try:
        (count,) = await database.fetch_one(_WAITING) or (0,)
    except DatabaseUnavailable:  # it is down itself
        return 0
    return int(count)
