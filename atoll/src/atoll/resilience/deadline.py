"""The moment after which nobody waits any more."""

import asyncio
import contextvars
import functools
import math
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from atoll.clock import Clock, SystemClock
from atoll.resilience.errors import DeadlineExceededError

P = ParamSpec("P")
R = TypeVar("R")


class Deadline:
    """A moment of `clock.monotonic()`; `math.inf` for none.

    `async with Deadline.within(2.0):` cancels what its body waits for when time is up, and raises
    `DeadlineExceededError` in its place. It can be entered again, also by several tasks at once: the moment
    stays. A deadline within another one can only shorten it, as gRPC's do ("gRPC and Deadlines", 2018).
    Entering costs a task, some 20 µs; asking `remaining` costs nothing.
    """

    __slots__ = ("_clock", "at")

    def __init__(self, at: float, clock: Clock | None = None) -> None:
        self.at = at
        self._clock = clock or SystemClock()

    @classmethod
    def within(cls, seconds: float, clock: Clock | None = None) -> Self:
        """The deadline `seconds` from now; one that is not positive has passed already."""
        clock = clock or SystemClock()
        return cls(clock.monotonic() + seconds, clock)

    @property
    def remaining(self) -> float:
        """Seconds that are left, never less than zero."""
        return max(0.0, self.at - self._clock.monotonic())

    @property
    def passed(self) -> bool:
        return self.at <= self._clock.monotonic()

    def sooner(self, other: "Deadline") -> "Deadline":
        """The one of the two that comes first."""
        return other if other.at < self.at else self

    def check(self) -> None:
        """Raise `DeadlineExceededError` when it has passed: to be asked before work starts."""
        if self.passed:
            raise DeadlineExceededError("the deadline has passed")

    async def __aenter__(self) -> Self:
        self.check()
        guard = _Guard(self.remaining, self._clock)
        await guard.__aenter__()
        _entered.set((*_entered.get(), guard))
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        *outer, guard = _entered.get()
        _entered.set(tuple(outer))
        await guard.__aexit__(exc_type, exc, traceback)

    def __repr__(self) -> str:
        return f"<Deadline in {self.remaining:.3f} s>" if self.at < math.inf else "<Deadline never>"


def deadline(
    seconds: float, *, clock: Clock | None = None
) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Coroutine[Any, Any, R]]]:
    """A decorator: every call of the async function has `seconds` from its start."""

    def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        @functools.wraps(function)
        async def bounded(*args: P.args, **kwargs: P.kwargs) -> R:
            async with Deadline.within(seconds, clock):
                return await function(*args, **kwargs)

        return bounded

    return decorate


class _Guard:
    """Ends the task's wait when the clock says so, the way `asyncio.timeout` does by the loop's clock."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._limit = asyncio.timeout(None)
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()
        if self._seconds < math.inf:
            self._watch = asyncio.create_task(self._wait())

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._watch is not None:
            self._watch.cancel()
        try:
            await self._limit.__aexit__(exc_type, exc, traceback)
        except TimeoutError as error:
            raise DeadlineExceededError("the deadline passed") from error

    async def _wait(self) -> None:
        await self._clock.sleep(self._seconds)
        self._limit.reschedule(0)


_entered: contextvars.ContextVar[tuple[_Guard, ...]] = contextvars.ContextVar("atoll_deadlines", default=())
"""The guards that the running task is within, the innermost last."""
