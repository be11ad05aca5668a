"""Too much to do: noticed by the event loop's delay, and answered by refusing what matters least.

Work that a process cannot keep up with waits unseen, in the kernel's buffers; but then each turn of the event loop
takes long, and that can be seen: a timer fires late. As in CoDel (K. Nichols, V. Jacobson, "Controlling Queue Delay",
2012) it is the *least* delay of a while that counts: a queue that drains now and then is none.
"""

import asyncio
import random
import time
from collections import deque
from enum import IntEnum
from types import TracebackType
from typing import Self

LOOK_EVERY = 0.05
"""Seconds between two looks."""

LOOKS = 5
"""The least delay of so many looks counts: a quarter of a second, and more when the delays are long."""

MORE, LESS = 0.1, 0.05
"""What each look adds to the pressure, or takes off: a whole priority is refused after ten looks, and free again after
twenty. So an overload of all three is over 3 s after it has ended."""


class Priority(IntEnum):
    """What is refused first, and what last."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


HIGHEST_PRESSURE = Priority.HIGH + 0.9
"""Of what matters most, a tenth is always let in: how else would it show that there is room again?"""


class Overload:
    """Says which requests to refuse. Enter it as an async context manager: it looks as long as it is entered.

    `pressure` is 0 when there is no overload. Between n and n + 1, that share of the requests of priority n is
    refused, all of those below, and none above.
    """

    def __init__(self, max_delay: float, chance: random.Random | None = None) -> None:
        self.pressure = 0.0
        self.refused = 0
        """Requests refused so far; never goes back."""
        self._max_delay = max_delay
        self._random = (chance or random.Random()).random  # noqa: S311 - chances are no secret
        self._delays: deque[float] = deque(maxlen=LOOKS)

    def __repr__(self) -> str:
        return f"<Overload with a pressure of {self.pressure:.2f}>"

    @property
    def delay(self) -> float:
        """Seconds that the event loop was behind at the last look."""
        return self._delays[-1] if self._delays else 0.0

    def refuses(self, priority: int) -> bool:
        """Whether to refuse a request now; to be asked only while there is pressure."""
        if self._random() >= self.pressure - priority:
            return False
        self.refused += 1
        return True

    def note(self, delay: float) -> None:
        """What a look has found, in seconds."""
        self._delays.append(delay)
        if len(self._delays) == LOOKS and min(self._delays) > self._max_delay:
            self.pressure = min(HIGHEST_PRESSURE, self.pressure + MORE)
        elif delay <= self._max_delay:
            self.pressure = max(0.0, self.pressure - LESS)

    async def __aenter__(self) -> Self:
        self._plan()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def _plan(self) -> None:
        self._expected = time.monotonic() + LOOK_EVERY
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        self.note(max(0.0, time.monotonic() - self._expected))
        self._plan()
