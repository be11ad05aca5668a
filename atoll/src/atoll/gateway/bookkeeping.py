"""Visits that are over, counted and logged: a few at a time, because together that costs half as much as one by one."""

import asyncio
import time
from types import TracebackType
from typing import Self

from atoll.gateway.access_log import AccessLog
from atoll.gateway.visit import Visit
from atoll.gateway.visit_metrics import VisitMetrics

MAX_WAITING = 64
"""Visits; so many are booked in one go."""

MAX_WAIT = 0.2
"""Seconds that a visit may wait."""


class Bookkeeping:
    """Leaving it as an async context manager books what still waits."""

    def __init__(self, access_log: AccessLog | None) -> None:
        self.in_hand = 0
        """Visits that have begun and are not over; whoever begins one adds it."""
        self.metrics = VisitMetrics(lambda: self.in_hand)
        self._access_log = access_log
        self._waiting: list[Visit] = []
        self._timer: asyncio.TimerHandle | None = None

    def over(self, visit: Visit) -> None:
        """A visit is over, and has its end noted."""
        self.in_hand -= 1
        self._waiting.append(visit)
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
        count = self.metrics.count
        for visit in waiting:
            count(visit.template, visit.head.method, visit.status, visit.ended - visit.started)
        if self._access_log is not None and waiting:
            self._access_log.write(waiting, time.time() - waiting[-1].ended)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.settle()
