"""When the next action begins: as soon as a hand is free, or on schedule, whatever becomes of the others."""

import asyncio
import itertools

from atoll.clock import Clock


class Arrivals:
    """Hands out the moments at which actions begin, to all hands, until the time or the count is up.

    Without a rate an action begins when somebody asks for one. With a rate the moments are those of a schedule with
    equal distances, as in wrk2, and an action that begins late because all hands were busy has been waiting since then:
    its latency says so, and no slow answer hides those that should have come meanwhile (coordinated omission).
    """

    def __init__(self, clock: Clock, *, rate: float | None, seconds: float, count: int) -> None:
        self._clock = clock
        self._rate = rate
        self._count = count
        self._numbers = itertools.count()
        self._stopped = asyncio.Event()
        self.began = clock.monotonic()
        self._end = self.began + seconds
        self.started = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing begins any more."""
        return self._stopped.is_set() or self._clock.monotonic() >= self._end

    @property
    def missed(self) -> int:
        """Actions of the schedule that found no hand before the end."""
        if self._rate is None:
            return 0
        passed = min(self._clock.monotonic(), self._end) - self.began
        return max(0, min(self._count, int(passed * self._rate)) - self.started)

    def stop(self) -> None:
        """Nothing begins any more."""
        self._end = min(self._end, self._clock.monotonic())
        self._stopped.set()

    async def next(self) -> float | None:
        """The moment at which the caller's action was to begin, once that has come; None when all is over."""
        number = next(self._numbers)
        due = self._clock.monotonic() if self._rate is None else self.began + number / self._rate
        if number >= self._count or due >= self._end or not await self._has_come(due):
            return None
        self.started += 1
        return due

    async def _has_come(self, due: float) -> bool:
        pause = due - self._clock.monotonic()
        if pause > 0:
            waiting = asyncio.ensure_future(self._clock.sleep(pause))
            stopping = asyncio.ensure_future(self._stopped.wait())
            try:
                await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
                stopping.cancel()
        return not self.is_over
