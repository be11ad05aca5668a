"""Visits that are over, counted and logged: a few at a time, because together that costs half as much as one by one."""

import asyncio
import time
from types import TracebackType
from typing import Self

from atoll.gateway.access_log import AccessLog
from atoll.gateway.visit import Visit
from atoll.observability.metrics import HttpMetrics

MAX_WAITING = 64
"""Visits; so many are booked in one go."""

MAX_WAIT = 0.2
"""Seconds that a visit may wait."""


class Bookkeeping:
    """Leaving it as an async context manager books what still waits."""

    def __init__(self, metrics: HttpMetrics, access_log: AccessLog | None) -> None:
        self._metrics = metrics
        self._access_log = access_log
        self._waiting: list[tuple[Visit, float, float]] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def in_hand(self) -> int:
        """Visits that have begun and are not over."""
        return self._metrics.active - len(self._waiting)

    def began(self) -> None:
        """A visit has begun."""
        self._metrics.started()

    def over(self, visit: Visit, seconds: float) -> None:
        """A visit has taken `seconds` and is over now."""
        self._waiting.append((visit, seconds, time.time()))
        if len(self._waiting) >= MAX_WAITING:
            self.settle()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(MAX_WAIT, self.settle)

    def settle(self) -> None:
        """Book what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        for visit, seconds, _ in waiting:
            self._metrics.finished(visit.template, visit.head.method.decode("ascii"), visit.status, seconds)
        if self._access_log is not None and waiting:
            self._access_log.write(waiting)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.settle()
