"""How long anything may take."""

import math
from dataclasses import dataclass

from atoll.clock import Clock
from atoll.context import current
from atoll.storage.database import DatabaseUnavailable

TOO_LATE = "The deadline has passed; nothing more was asked of the database."


@dataclass(frozen=True, slots=True)
class Limits:
    """In seconds, and never longer than the caller of the request in hand waits.

    `patience` is how long to wait while the server is being restarted.
    """

    clock: Clock
    patience: float = 5.0
    statement: float = 30.0

    def deadline(self) -> float:
        """The monotonic moment at which nobody waits for the answer any more; infinite when that is not known."""
        request = current.get()
        return math.inf if request is None or request.deadline is None else request.deadline

    def seconds_until(self, deadline: float) -> float:
        """How long the next statement may take; `DatabaseUnavailable` when it is too late to begin."""
        if deadline == math.inf:
            return self.statement
        left = deadline - self.clock.monotonic()
        if left <= 0:
            raise DatabaseUnavailable(TOO_LATE)
        return min(left, self.statement)
