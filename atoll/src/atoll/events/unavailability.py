"""What passes by itself: the broker or the database is away, or full. One waits, longer each time, and tries again."""

import random

from atoll.clock import Clock
from atoll.events.broker import BrokerUnavailable
from atoll.observability.logging import get_logger
from atoll.storage import CommitFailed, DatabaseUnavailable

UNAVAILABLE = (BrokerUnavailable, DatabaseUnavailable, CommitFailed)

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
_MOST_DOUBLINGS = 16

log = get_logger()


class BackOff:
    """Pauses between 50 and 100 percent of `FIRST_PAUSE`, doubling to `LONGEST_PAUSE`, until something goes well."""

    def __init__(self, what: str, clock: Clock, chance: random.Random | None = None) -> None:
        self._what = what
        self._clock = clock
        self._chance = chance or random.Random()  # noqa: S311 - jitter is no secret
        self.failures = 0

    def __repr__(self) -> str:
        return f"<BackOff {self._what}: {self.failures} failures>"

    async def pause(self, error: Exception) -> None:
        """Say what is the matter, the first time and each time when it has failed twice as often, and wait."""
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self.failures, _MOST_DOUBLINGS))
        self.failures += 1
        if self.failures.bit_count() == 1:
            log.warning("events wait", what=self._what, failures=self.failures, reason=str(error))
        await self._clock.sleep(longest * self._chance.uniform(0.5, 1))

    def went_well(self) -> None:
        if self.failures:
            log.info("events go on", what=self._what, failures=self.failures)
            self.failures = 0
