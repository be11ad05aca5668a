"""Time comes in through here, so that tests can drive it."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where time comes from. `SystemClock` in production, `atoll.testing.ManualClock` in tests."""

    def now(self) -> datetime:
        """The wall clock: an aware datetime in UTC. May jump when the machine's clock is set."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back. For durations and deadlines."""

    async def sleep(self, seconds: float) -> None:
        """Suspend the caller for at least `seconds`; zero or less only yields to the event loop."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    monotonic = staticmethod(time.monotonic)  # asked several times for each request: no frame of ours

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_millis(moment: datetime) -> int:
    """Milliseconds since 1970-01-01T00:00:00Z, rounded down: how moments are stored."""
    return (moment - _EPOCH) // _MILLISECOND


def from_millis(millis: int) -> datetime:
    """The moment that `to_millis` stored, in UTC."""
    return _EPOCH + millis * _MILLISECOND
