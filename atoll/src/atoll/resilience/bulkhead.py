"""A bound on how many calls are under way at once, so that one slow callee cannot take everything."""

import asyncio
import functools
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from atoll.clock import Clock, SystemClock
from atoll.resilience.errors import BulkheadFullError

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class BulkheadPolicy:
    """At most `max_concurrent_calls` at once; more wait for a place, at most `max_wait` seconds.

    The words are Resilience4j's. Its 25 calls are for threads; a task is cheap, so here it is 256, a quarter
    of what Envoy lets through to a whole cluster (`max_requests` 1024). As in Resilience4j the default is
    not to wait much: who waits long behind a slow callee would time out anyway.
    """

    max_concurrent_calls: int = 256
    max_wait: float = 0.1

    def __post_init__(self) -> None:
        if self.max_concurrent_calls < 1 or self.max_wait < 0:
            raise ValueError("a bulkhead has at least one place, and nobody waits less than no time")


DEFAULT_BULKHEAD = BulkheadPolicy()


class Bulkhead:
    """Places for calls: `async with bulkhead:`, or `@bulkhead` on an async function.

    Who waits is served first come, first served, and gives up with `BulkheadFullError`. For one event loop.
    """

    def __init__(
        self, policy: BulkheadPolicy = DEFAULT_BULKHEAD, *, name: str = "", clock: Clock | None = None
    ) -> None:
        self.policy = policy
        self.name = name
        self.in_use = 0
        self.refused = 0
        """How many calls found no place so far; never goes back."""
        self._places = policy.max_concurrent_calls
        self._clock = clock or SystemClock()
        self._waiters: deque[asyncio.Future[bool]] = deque()

    @property
    def waiting(self) -> int:
        """Calls that wait for a place."""
        return sum(not waiter.done() for waiter in self._waiters)

    def try_acquire(self) -> bool:
        """Take a place if there is one now, and nobody waits for it."""
        if self.in_use < self._places and not self._waiters:
            self.in_use += 1
            return True
        return False

    async def acquire(self, *, at_most: float | None = None) -> None:
        """Take a place, waiting for it if need be: the policy's time, or `at_most` seconds if that is less."""
        if self.try_acquire():
            return
        patience = self.policy.max_wait if at_most is None else min(at_most, self.policy.max_wait)
        if patience <= 0 or not await self._wait(patience):
            self.refused += 1
            raise BulkheadFullError(
                f"{self.in_use} calls are under way, which is as many as may be", name=self.name, retry_after=1.0
            )

    def release(self) -> None:
        """Give a place back; it goes to who has waited longest."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(True)
                return
        self.in_use -= 1

    async def _wait(self, patience: float) -> bool:
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        giving_up = asyncio.create_task(self._give_up(waiter, patience))
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.result():
                self.release()  # the place came in the moment of the cancellation
            raise
        finally:
            giving_up.cancel()
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    async def _give_up(self, waiter: asyncio.Future[bool], seconds: float) -> None:
        await self._clock.sleep(seconds)
        if not waiter.done():
            waiter.set_result(False)

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def __call__(self, function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        @functools.wraps(function)
        async def within(*args: P.args, **kwargs: P.kwargs) -> R:
            async with self:
                return await function(*args, **kwargs)

        return within

    def __repr__(self) -> str:
        return f"<Bulkhead {self.name} {self.in_use} of {self.policy.max_concurrent_calls}, {self.waiting} waiting>"
