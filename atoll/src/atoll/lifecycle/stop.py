"""How a process is asked to stop, and what becomes of one that is asked twice or takes too long."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from types import FrameType

from atoll.observability.logging import get_logger

log = get_logger()

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequested(Exception):
    """The stop came while something was still starting."""


class Stop:
    """A graceful stop that anyone may ask for; the first reason counts, and the highest exit code.

    With `ends_within`, the process ends that many seconds after the request, with code 1, whatever holds it
    up.
    """

    def __init__(self, *, ends_within: float | None = None) -> None:
        self.reason = ""
        self.exit_code = 0
        self._ends_within = ends_within
        self._requested = asyncio.Event()
        self._interrupt: Callable[[], None] | None = None

    def __repr__(self) -> str:
        return f"<Stop {f'requested: {self.reason}' if self.reason else 'not requested'}>"

    def request(self, reason: str, *, exit_code: int = 0) -> None:
        """Ask for the stop. To be called in the event loop."""
        self.exit_code = max(self.exit_code, exit_code)
        if self.reason:
            return
        self.reason = reason
        self._requested.set()
        if self._ends_within is not None:
            _end_after(self._ends_within)
        if self._interrupt is not None:
            self._interrupt()

    async def requested(self) -> None:
        """Wait until somebody asks."""
        await self._requested.wait()

    @contextlib.asynccontextmanager
    async def interrupts(self) -> AsyncIterator[None]:
        """A block that a stop breaks off, wherever it waits; then this raises `StopRequested`."""
        try:
            async with asyncio.timeout(None) as limit:
                self._interrupt = lambda: limit.reschedule(0)
                if self.reason:
                    self._interrupt()
                try:
                    yield
                finally:
                    self._interrupt = None
        except TimeoutError:
            if limit.expired():
                raise StopRequested(self.reason) from None
            raise


@contextlib.contextmanager
def signals_to(stop: Stop) -> Iterator[None]:
    """The first SIGTERM or SIGINT asks for the stop; a second one ends the process now, with 128 + its number.

    The second works even while the event loop is blocked. Outside of the main thread signals are left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    seen: list[int] = []

    def on_signal(number: int, _: FrameType | None) -> None:
        if seen:
            end_now(128 + number)
        seen.append(number)
        loop.call_soon_threadsafe(stop.request, signal.Signals(number).name)

    before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_now(code: int) -> None:
    """End the process without any further step but writing out what is printed already."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)


def _end_after(seconds: float) -> None:
    def give_up() -> None:
        log.error("stop takes too long", seconds=seconds)
        end_now(1)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
