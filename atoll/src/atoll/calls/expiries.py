"""When who gives up, on one timer of the event loop for all."""

import asyncio
import math
from typing import Protocol

RESOLUTION = 0.001
"""Seconds that somebody may give up too early: uvloop counts whole milliseconds."""


class Waiting(Protocol):
    """Waits for something, but not for ever."""

    def expire(self) -> None:
        """The time is up."""


class Expiries:
    """Those who wait, each with the moment (`loop.time()`) at which it gives up; for one event loop.

    Nearly every answer is there in time, so a timer for each would be set and cancelled for nothing. The one
    timer here rings at the first moment that was set since it last rang, and then at the first that is left:
    with calls that may all take 2 s, once in 2 s. Setting and clearing take constant time.
    """

    __slots__ = ("_moments", "_rings_at", "_timer")

    def __init__(self) -> None:
        self._moments: dict[Waiting, float] = {}
        self._rings_at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Expiries {len(self._moments)}>"

    def set(self, waiting: Waiting, moment: float) -> None:
        """Have `waiting` expire at that moment, and not at the one that was set before."""
        self._moments[waiting] = moment
        if moment < self._rings_at:
            self._ring_at(moment)

    def clear(self, waiting: Waiting) -> None:
        """It waits no more."""
        self._moments.pop(waiting, None)

    def close(self) -> None:
        """Nobody expires any more."""
        self._moments.clear()
        self._stop_timer()

    def _ring_at(self, moment: float) -> None:
        self._stop_timer()
        self._rings_at = moment
        self._timer = asyncio.get_running_loop().call_at(moment, self._ring)

    def _ring(self) -> None:
        self._stop_timer()
        now = asyncio.get_running_loop().time() + RESOLUTION
        for waiting in [each for each, moment in self._moments.items() if moment <= now]:
            if self._moments.pop(waiting, None) is not None:  # it may have ended through the one before
                waiting.expire()
        if self._moments:
            first = min(self._moments.values())
            if first < self._rings_at:
                self._ring_at(first)

    def _stop_timer(self) -> None:
        self._rings_at = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
