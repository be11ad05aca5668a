"""An HTTP/1.1 server on `ServerConnection`: a `Listener` for programs whose work is bytes, not ASGI."""

import asyncio
import contextlib
import socket
from collections.abc import Collection

from atoll.http1.server_connection import Application, ServerConnection, with_something_due
from atoll.http1.server_limits import ServerLimits
from atoll.lifecycle.listener import Address
from atoll.lifecycle.sockets import BACKLOG, listening_socket, stop_listening
from atoll.observability.logging import get_logger

SWEEP_INTERVAL = 0.25
"""Seconds between two looks at all deadlines: by so much may one be missed. A timer for each would cost more."""


log = get_logger()


class HttpServer:
    """Serves `application` at `host` and `port`, within `limits`.

    With a `door`, a listening socket that another process has as well, it serves there instead, and leaves it to the
    other one to admit connections.
    """

    def __init__(
        self,
        application: Application,
        host: str,
        port: int,
        *,
        limits: ServerLimits | None = None,
        sweep_interval: float = SWEEP_INTERVAL,
        door: socket.socket | None = None,
    ) -> None:
        self.application = application
        self.limits = limits or ServerLimits()
        self.draining = False
        self._host = host
        self._port = port
        self.sweep_interval = sweep_interval
        self._connections: set[ServerConnection] = set()
        self._all_closed = asyncio.Event()
        self._door = door
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._sweep_timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        draining = ", draining" if self.draining else ""
        return f"<HttpServer {self._host}:{self._port}, {len(self._connections)} connections{draining}>"

    @property
    def connections(self) -> Collection[ServerConnection]:
        """The open ones."""
        return self._connections

    async def start(self) -> Address:
        self._socket = self._door or listening_socket(self._host, self._port)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._new_connection, sock=self._socket, backlog=BACKLOG)
        host, self._port = self._socket.getsockname()[:2]
        self._sweep()
        return Address(host, self._port)

    async def stop_accepting(self) -> None:
        if self._socket is None or self._server is None or self.draining:
            return
        self.draining = True
        admits_others = self._door is not None
        await stop_listening(self._server, self._socket, self._new_connection, admits_others=admits_others)
        for connection in list(self._connections):
            connection.drain()

    async def drain(self, timeout: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._closed()
        if self._connections:
            log.warning("connections cut", connections=len(self._connections), seconds=timeout)
            for connection in list(self._connections):
                connection.abort()
            await self._closed()
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()

    # What connections tell.

    def connection_opened(self, connection: ServerConnection) -> bool:
        self._connections.add(connection)
        return len(self._connections) <= self.limits.connections

    def connection_closed(self, connection: ServerConnection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._all_closed.set()

    async def _closed(self) -> None:
        while self._connections:
            self._all_closed.clear()
            await self._all_closed.wait()

    def _new_connection(self) -> ServerConnection:
        return ServerConnection(self, asyncio.get_running_loop())

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in with_something_due(self._connections, now):
            connection.check_time(now)
        self._sweep_timer = loop.call_later(self.sweep_interval, self._sweep)
