"""The connections to one address: kept alive between requests, bounded, shared fairly."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from atoll.http1.answer_parser import DEFAULT_LIMITS, AnswerLimits
from atoll.http1.client_connection import ClientConnection
from atoll.http1.errors import CannotConnect, PoolClosed


class ConnectionPool:
    """Connections to `host` and `port`, of one event loop.

    At most `max_connections` are open, being opened or closing; more callers wait their turn, first come
    first served. The one used last is reused first, so that the others can grow old and close after
    `idle_timeout` seconds: 60 by default, safely before a server of ours closes at 75. A connection that was
    noticed dead is never handed out; one that died unnoticed shows in `Receiver.on_lost`, and no client can
    avoid that.

    A connection comes back by itself when its answer has ended. Who takes one and starts nothing must
    `release`.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        max_connections: int = 100,
        connect_timeout: float = 1.0,
        idle_timeout: float = 60.0,
        limits: AnswerLimits = DEFAULT_LIMITS,
    ) -> None:
        self.host = host
        self.port = port
        self.max_connections = max_connections
        self.connect_timeout = connect_timeout
        self.idle_timeout = idle_timeout
        self.opened = 0
        """How many connections were opened so far; never goes back."""
        self.reused = 0
        """How often an open connection was handed out so far; never goes back."""
        self._limits = limits
        self._open: set[ClientConnection] = set()
        self._idle_since: dict[ClientConnection, float] = {}
        """Those that wait for a request, the longest idle first, with the monotonic time when they began to."""
        self._connecting = 0
        self._waiters: deque[asyncio.Future[ClientConnection | None]] = deque()
        """Each gets a connection, or None with a place in `_connecting` to open one itself."""
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._all_closed = asyncio.Event()

    def __repr__(self) -> str:
        state = "closing, " if self._closing else ""
        return (
            f"<ConnectionPool {self.host}:{self.port} {state}{self.in_use} in use, {self.idle} idle, "
            f"{self._connecting} connecting, {self.waiting} waiting, at most {self.max_connections}>"
        )

    @property
    def in_flight(self) -> int:
        """Callers that have a connection, or wait for one."""
        return len(self._open) - len(self._idle_since) + self._connecting + len(self._waiters)

    @property
    def in_use(self) -> int:
        """Connections taken by somebody, or closing."""
        return len(self._open) - len(self._idle_since)

    @property
    def idle(self) -> int:
        """Open connections that wait for a request."""
        return len(self._idle_since)

    @property
    def connecting(self) -> int:
        """Connections being opened."""
        return self._connecting

    @property
    def waiting(self) -> int:
        """Callers that wait for their turn."""
        return len(self._waiters)

    @property
    def closed(self) -> bool:
        """Whether it was drained or closed, and its last connection is gone."""
        return self._all_closed.is_set()

    def take(self, *, careful: bool = False) -> ClientConnection | None:
        """An idle connection, at once; None when there is none. Never overtakes who waits in `acquire`.

        `careful`: look at the connection first, and not only at what the event loop has told us. For requests
        that cannot be repeated: it leaves no more than a server's close that is on its way.
        """
        while self._idle_since:
            connection, _ = self._idle_since.popitem()
            if careful and connection.usable and not connection.looks_alive():
                connection.close()
            if connection.usable:
                self.reused += 1
                return connection
        return None

    async def acquire(self, *, careful: bool = False) -> ClientConnection:
        """An idle connection, a new one, or, when there are too many, the next that gets free.

        Start the request before you await anything else. Waits without limit for its turn: bound it with
        `asyncio.timeout`. Cancelling it leaks nothing. `careful` is as in `take`. Raises `CannotConnect` and
        `PoolClosed`.
        """
        while True:
            if self._closing:
                raise self._closed()
            connection = self.take(careful=careful)
            if connection is not None:
                return connection
            if self._has_room():
                self._connecting += 1
                return await self._connect()
            connection = await self._wait()
            if connection is None:
                return await self._connect()
            if connection.usable:  # it may have died since it was handed over
                self.reused += 1
                return connection

    def release(self, connection: ClientConnection) -> None:
        """Give back a connection on which no request was started."""
        if connection.usable:
            self.connection_idle(connection)

    def drain(self) -> None:
        """Hand out no more, close what is idle; what is in use closes when its answer has ended."""
        self._closing = True
        self._cancel_sweep()
        for connection in list(self._idle_since):
            connection.close()
        for waiter in self._next_waiters():
            waiter.set_exception(self._closed())
        self._tell_when_all_closed()

    async def close(self, grace: float = 0.0) -> None:
        """Drain, wait at most `grace` seconds for answers under way, abort the rest; then all are closed."""
        self.drain()
        try:
            async with asyncio.timeout(grace):
                await self._all_closed.wait()
        except TimeoutError:
            for connection in list(self._open):
                connection.close()
            await self._all_closed.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    # What connections tell.

    def connection_opened(self, connection: ClientConnection) -> None:
        self._open.add(connection)
        self.opened += 1

    def connection_idle(self, connection: ClientConnection) -> None:
        if self._closing:
            connection.close()
            return
        if self._waiters:
            for waiter in self._next_waiters():
                waiter.set_result(connection)
                return
        now = time.monotonic()
        self._idle_since[connection] = now
        if self._sweep_timer is None:
            self._sweep_in(self.idle_timeout)

    def connection_unusable(self, connection: ClientConnection) -> None:
        self._idle_since.pop(connection, None)

    def connection_closed(self, connection: ClientConnection) -> None:
        self._open.discard(connection)
        self._place_is_free()

    # Places, and those who wait for them.

    def _has_room(self) -> bool:
        return len(self._open) + self._connecting < self.max_connections

    async def _connect(self) -> ClientConnection:
        """Open a connection in a place that is counted in `_connecting` already."""
        connection = ClientConnection(self, self._limits)
        connected = False
        try:
            async with asyncio.timeout(self.connect_timeout):
                await asyncio.get_running_loop().create_connection(lambda: connection, self.host, self.port)
            connected = True
        except TimeoutError as error:
            raise self._cannot_connect(f"no answer within {self.connect_timeout:g} s") from error
        except OSError as error:
            raise self._cannot_connect(error.strerror or str(error)) from error
        finally:
            if not connected:  # uvloop closes what was cancelled in its last step without a connection_lost
                self._open.discard(connection)
            self._connecting -= 1
            self._place_is_free()
        if self._closing:
            connection.close()
            raise self._closed()
        if not connection.usable:
            raise self._cannot_connect("the peer closed it at once")
        return connection

    def _cannot_connect(self, why: str) -> CannotConnect:
        return CannotConnect(f"Cannot connect to {self.host}:{self.port}: {why}.")

    def _closed(self) -> PoolClosed:
        return PoolClosed(f"The pool of connections to {self.host}:{self.port} is closed.")

    async def _wait(self) -> ClientConnection | None:
        """Wait for a turn: a connection, or None with a place to open one."""
        waiter: asyncio.Future[ClientConnection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif not waiter.cancelled() and waiter.exception() is None:
                self._pass_on(waiter.result())
            raise

    def _pass_on(self, turn: ClientConnection | None) -> None:
        """A turn that came too late for its waiter: give it to the next."""
        if turn is not None:
            self.release(turn)
        else:
            self._connecting -= 1
            self._place_is_free()

    def _place_is_free(self) -> None:
        if self._closing:
            self._tell_when_all_closed()
        elif self._has_room():
            for waiter in self._next_waiters():
                self._connecting += 1
                waiter.set_result(None)
                return

    def _next_waiters(self) -> Iterator[asyncio.Future[ClientConnection | None]]:
        """Those who still wait, in order; each is out of the queue once it is yielded."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                yield waiter

    # Age and end.

    def _tell_when_all_closed(self) -> None:
        if not self._open and not self._connecting:
            self._all_closed.set()

    def _sweep_in(self, seconds: float) -> None:
        self._sweep_timer = asyncio.get_running_loop().call_later(seconds, self._sweep)

    def _sweep(self) -> None:
        self._sweep_timer = None
        now = time.monotonic()
        for connection, since in list(self._idle_since.items()):
            if since + self.idle_timeout > now:
                self._sweep_in(since + self.idle_timeout - now)
                return
            connection.close()

    def _cancel_sweep(self) -> None:
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
            self._sweep_timer = None
