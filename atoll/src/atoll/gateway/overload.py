"""Too much to do: noticed by the event loop's delay, and answered by refusing what matters least.

Work that a process cannot keep up with waits unseen, in the kernel's buffers; but then each turn of the event loop
takes long, and that can be seen: a timer fires late. It is seen twice:

- *within* a turn, at each request: once the turn has taken too long, the rest of it is refused, so that no turn takes
  much longer than that, however many requests came at once;
- *between* turns, as a pressure that holds on: as in CoDel (K. Nichols, V. Jacobson, "Controlling Queue Delay", 2012)
  the *least* delay of a while counts. A queue that drains now and then is none.

Refusing costs time, too. So whoever was refused is not read from for a while: else those who only ask again would take
the time of those who could be served.
"""

import asyncio
import random
import time
from collections import deque
from enum import IntEnum
from types import TracebackType
from typing import Protocol, Self

LOOK_EVERY = 0.05
"""Seconds between two looks."""

FEW = 64
"""Requests in hand that no turn takes long for: with no more, a late turn has other reasons."""

LONG_ENOUGH = 0.25
"""Seconds for which every look must have found the loop behind."""

MORE, LESS = 1.0, 1.0
"""What a second behind adds to the pressure, and a second on time takes off. So all three priorities are refused after
3 s, and an overload is over 3 s after it has ended."""

LONGEST_REST = 3.0
"""Seconds, once all of low priority is refused; less while a part of it is. That bounds what refusing costs: 10,000
connections that only ask to be refused take a sixth of a processor, at some 50 µs for a refusal."""

SPREAD = 1.0
"""Seconds over which those who have rested are woken, so that they do not come all at once again."""

FEW_WOKEN = 16
"""Of those who rest, so many are always woken at a look."""


class Priority(IntEnum):
    """What is refused first, and what last."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


HIGHEST_PRESSURE = Priority.HIGH + 0.9
"""Of what matters most, a tenth is always let in: how else would it show that there is room again?"""


class Resting(Protocol):
    """A connection that can be left alone for a while."""

    def rest(self) -> None:
        """Take no more requests from it."""

    def wake(self) -> None:
        """Take them again; nothing if it is gone."""


class Overload:
    """Says which requests to refuse. Enter it as an async context manager: it looks as long as it is entered.

    `pressure` is 0 when there is no overload. Between n and n + 1, that share of the requests of priority n is
    refused, all of those below, and none above. A turn of the loop that is late by more than `max_delay` seconds has a
    pressure of its own: 1 and more, but never so much that what matters most is refused for a moment's sake.
    """

    def __init__(self, max_delay: float, chance: random.Random | None = None) -> None:
        self.pressure = 0.0
        self.delay = 0.0
        """Seconds that the event loop was behind at the last look."""
        self.refused = 0
        """Requests refused so far; never goes back."""
        self.late_at = float("inf")
        """The monotonic moment from which on this turn of the loop has taken too long."""
        self._max_delay = max_delay
        self._random = (chance or random.Random()).random  # noqa: S311 - chances are no secret
        self._behind: float | None = None
        """Seconds for which each look found the loop behind, but for the first."""
        self._resting: deque[tuple[float, Resting]] = deque()
        """Who was refused when, the first first."""

    def __repr__(self) -> str:
        return f"<Overload with a pressure of {self.pressure:.2f}>"

    def refuses(self, priority: int, connection: Resting | None = None) -> bool:
        """Whether to refuse a request now, and leave its connection alone for a while, unless it matters most; to be
        asked only while there is pressure, or this turn is late."""
        now = time.monotonic()
        pressure = self.pressure
        if now > self.late_at:
            pressure = max(pressure, min(Priority.HIGH, 1.0 + (now - self.late_at) / self._max_delay))
        if self._random() >= pressure - priority:
            return False
        self.refused += 1
        if connection is not None and priority < Priority.HIGH:
            connection.rest()
            self._resting.append((now, connection))
        return True

    @property
    def rest(self) -> float:
        """Seconds for which whoever is refused now should stay away."""
        return LONGEST_REST * min(1.0, self.pressure)

    def note(self, delay: float) -> None:
        """What a look has found, in seconds."""
        self.delay = delay
        passed = LOOK_EVERY + delay
        if delay <= self._max_delay:
            self._behind = None
            self.pressure = max(0.0, self.pressure - LESS * passed)
        elif self._behind is None:
            self._behind = 0.0  # one long turn is no overload
        else:
            self._behind += passed
            if self._behind >= LONG_ENOUGH:
                self.pressure = min(HIGHEST_PRESSURE, self.pressure + MORE * passed)

    async def __aenter__(self) -> Self:
        self._plan()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def _plan(self) -> None:
        self._expected = time.monotonic() + LOOK_EVERY
        self.late_at = self._expected + self._max_delay
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        now = time.monotonic()
        delay = max(0.0, now - self._expected)
        self.note(delay)
        self._plan()
        self._wake_rested(now, LOOK_EVERY + delay)

    def _wake_rested(self, now: float, passed: float) -> None:
        """Wake those who have rested long enough, but only so many as a fair share of the time since the last look."""
        rest = self.rest
        most = max(FEW_WOKEN, int(len(self._resting) * passed / max(rest, SPREAD)))
        while most and self._resting and self._resting[0][0] <= now - rest:
            self._resting.popleft()[1].wake()
            most -= 1
