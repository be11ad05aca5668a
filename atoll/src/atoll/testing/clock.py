"""A clock that stands still until the test moves it."""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

_START = datetime(2030, 1, 1, tzinfo=UTC)


class ManualClock:
    """Time for tests: `advance()` moves both clocks, and wakes whoever has slept long enough.

    Starts at 2030-01-01T00:00:00Z and 0 seconds of monotonic time, unless told otherwise.
    """

    def __init__(self, now: datetime = _START, monotonic: float = 0.0) -> None:
        self._began = now - timedelta(seconds=monotonic)
        self._monotonic = monotonic
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._changed = asyncio.Event()

    def now(self) -> datetime:
        return self._began + timedelta(seconds=self._monotonic)

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), woken))
        self._changed.set()
        await woken

    @property
    def sleepers(self) -> int:
        """How many tasks are asleep now."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def wait_for_sleepers(self, count: int = 1) -> None:
        """Suspend until at least `count` tasks are asleep: then nothing more happens until time moves."""
        while self.sleepers < count:
            self._changed.clear()
            await self._changed.wait()

    async def advance(self, seconds: float) -> None:
        """Move time on by `seconds`, waking sleepers one after the other, each at its own moment.

        Between two of them the woken one runs until it waits again, so one that sleeps in a loop wakes as
        often as it would in real time.
        """
        if seconds < 0:
            raise ValueError("Time does not go back.")
        end = self._monotonic + seconds
        await _let_others_run()
        while self._sleepers and self._sleepers[0][0] <= end:
            moment, _, woken = heapq.heappop(self._sleepers)
            self._monotonic = moment
            if not woken.done():
                woken.set_result(None)
                await _let_others_run()
        self._monotonic = end
        await _let_others_run()

    def step(self, seconds: float) -> None:
        """Move time on by `seconds` for code without an event loop: wakes nobody."""
        if seconds < 0:
            raise ValueError("Time does not go back.")
        self._monotonic += seconds

    def set_now(self, now: datetime) -> None:
        """Set the wall clock, as an administrator may: monotonic time does not notice."""
        self._began = now - timedelta(seconds=self._monotonic)


async def _let_others_run() -> None:
    """Give ready tasks, and those that they make ready, turns enough to come to rest."""
    for _ in range(10):
        await asyncio.sleep(0)
