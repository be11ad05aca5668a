"""A bounded number of connections, handed out one at a time, and opened anew when the server was away.

acquire ── an idle one? ──► here it is
    │ no
wait, while an opener tries ── connected ──► whoever has waited longest
                ▲                   │ not
                └── a longer pause ─┘      away for longer than anyone has patience: all who wait are told,
                                           and those who come later at once, but for one try now and then
"""

import asyncio
import math
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeAlias

from atoll.clock import Clock
from atoll.storage.database import DatabaseUnavailable
from atoll.storage.postgres.connection import Connection
from atoll.storage.postgres.errors import is_hopeless, unreachable
from atoll.storage.postgres.limits import TOO_LATE

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0
LONGEST_WAIT = 30.0
IDLE_LIMIT = 60.0
MEND_LIMIT = 5.0
"""Seconds, all of them."""

CLOSED = "The database was closed."

Waiter: TypeAlias = "asyncio.Future[Connection]"


class Pool:
    """At most `size` connections to `place`, made by `connect`.

    While all are in use, one waits for up to `LONGEST_WAIT` seconds; while the server is away, for up to `patience`.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        *,
        place: str,
        size: int,
        patience: float,
        clock: Clock,
        chance: random.Random | None = None,
    ) -> None:
        self._connect = connect
        self._place = place
        self._size = size
        self._patience = patience
        self._clock = clock
        self._chance = chance or random.Random()  # noqa: S311 - jitter is no secret
        self._open = 0
        self._idle: deque[Connection] = deque()
        self._waiters: deque[Waiter] = deque()
        self._openers: set[asyncio.Task[None]] = set()
        self._aside: set[asyncio.Task[None]] = set()
        self._outage: Outage | None = None
        self._is_closed = False

    def __repr__(self) -> str:
        away = f", {self._outage.words}" if self._outage else ""
        return f"<Pool: {self._open - len(self._idle)} of {self._size} in use, {len(self._waiters)} waiting{away}>"

    @property
    def is_waited_for(self) -> bool:
        """Whether somebody waits for a connection."""
        return bool(self._waiters)

    async def acquire(self, give_up_at: float = math.inf) -> Connection:
        """A connection of one's own, to be released or mended; `DatabaseUnavailable` when there is none in time."""
        if self._is_closed:
            raise DatabaseUnavailable(CLOSED)
        if give_up_at <= self._clock.monotonic():
            raise DatabaseUnavailable(TOO_LATE)
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed:
                return connection
            self._drop(connection)
        return await self._wait(give_up_at)

    def release(self, connection: Connection) -> None:
        """Give back a connection on which nothing was done since the last commit; whoever has waited longest gets it.

        It may be in a transaction only if somebody waits for it.
        """
        if connection.is_closed or self._is_closed:
            self._drop(connection)
            self._open_more()
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if connection.is_in_transaction:  # begun for someone who has gone
            self.mend(connection)
            return
        connection.idle_since = self._clock.monotonic()
        self._idle.append(connection)
        self._drop_stale()

    def mend(self, connection: Connection) -> "asyncio.Task[None]":
        """Give back a connection in whatever state it is: what runs on it ends, what was done is undone."""
        return self._do_aside(self._mend(connection))

    def distrust(self) -> None:
        """Close the idle connections: one was lost, so the others may be dead too."""
        while self._idle:
            self._drop(self._idle.pop())

    async def close(self) -> None:
        """Close what is idle, and wait for what is being mended; nobody may hold a connection any more."""
        self._is_closed = True
        self._refuse_waiters(CLOSED)
        self.distrust()
        for opener in self._openers:
            opener.cancel()
        while self._aside or self._openers:
            await asyncio.gather(*self._aside, *self._openers, return_exceptions=True)

    async def _wait(self, give_up_at: float) -> Connection:
        now = self._clock.monotonic()
        if self._outage and self._outage.is_long(now, self._patience) and now < self._outage.try_again_at:
            raise DatabaseUnavailable(self._outage.words)
        waiter: Waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._open_more()
        try:
            async with asyncio.timeout(min(give_up_at - now, LONGEST_WAIT)):
                return await waiter
        except TimeoutError:
            self._leave(waiter)
            raise DatabaseUnavailable(self._outage.words if self._outage else f"None is free: {self!r}") from None
        except asyncio.CancelledError:
            self._leave(waiter)
            raise

    def _leave(self, waiter: Waiter) -> None:
        """Nobody waits here any more; a connection that came at the last moment goes to the next."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            self.release(waiter.result())

    def _refuse_waiters(self, words: str) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(DatabaseUnavailable(words))

    def _open_more(self) -> None:
        """Have as many openers as are needed; one alone, while the server is away."""
        wanted = min(len(self._waiters), self._size - self._open, 1 if self._outage else self._size)
        for _ in range(wanted - len(self._openers)):
            opener = asyncio.create_task(self._connect_for_waiters())
            self._openers.add(opener)
            opener.add_done_callback(self._opened)

    def _opened(self, opener: "asyncio.Task[None]") -> None:
        self._openers.discard(opener)
        if not self._is_closed:
            self._open_more()

    async def _connect_for_waiters(self) -> None:
        """Open one connection, trying again while anyone waits for it."""
        while self._waiters:
            try:
                connection = await self._connect()
            except Exception as error:  # whatever it is, those who wait are told
                if not self._may_try_again(error):
                    return
                await self._pause()
            else:
                self._outage = None
                self._open += 1
                self.release(connection)
                return

    def _may_try_again(self, error: Exception) -> bool:
        now = self._clock.monotonic()
        self._outage = self._outage or Outage(self._place, now)
        self._outage.note(error, now, self._chance)
        if is_hopeless(error) or self._outage.is_long(now, self._patience):
            self._refuse_waiters(self._outage.words)
        return len(self._openers) == 1

    async def _pause(self) -> None:
        if self._outage:
            await self._clock.sleep(self._outage.try_again_at - self._clock.monotonic())

    def _drop(self, connection: Connection) -> None:
        self._open -= 1
        self._do_aside(connection.close())

    def _drop_stale(self) -> None:
        """Close what a burst has left behind; the connection that was used last stays on top."""
        stale = self._clock.monotonic() - IDLE_LIMIT
        while self._idle[0].idle_since < stale:
            self._drop(self._idle.popleft())

    async def _mend(self, connection: Connection) -> None:
        try:
            await connection.come_to_rest(MEND_LIMIT)
        except Exception:  # not worth mending
            connection.terminate()
        self.release(connection)

    def _do_aside(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)
        return task


class Outage:
    """Since when `place` cannot be reached, why, and when to try again: moments of the monotonic clock."""

    def __init__(self, place: str, since: float) -> None:
        self.words = ""
        self.try_again_at = since
        self._place = place
        self._since = since
        self._failures = 0

    def note(self, error: Exception, now: float, chance: random.Random) -> None:
        """One more attempt has failed; the pause before the next one grows, with jitter."""
        self.words = unreachable(self._place, error)
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**self._failures)
        self.try_again_at = now + pause * chance.uniform(0.5, 1.0)
        self._failures += 1

    def is_long(self, now: float, patience: float) -> bool:
        """Whether it has lasted for longer than anyone waits."""
        return now - self._since >= patience
