"""HTTP for an ASGI app: uvicorn's protocol and parser, under a start and stop of our own.

uvicorn's own server takes the signals, polls, and closes idle connections at once when it stops: a request
that is just arriving there is lost. Here the newest request of a connection is answered with `Connection:
close`, and idle connections linger for what is on its way.
"""

import asyncio
import select
import socket
from email.utils import formatdate
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from atoll import problems, wire
from atoll.lifecycle.joined_writes import JoinedWrites
from atoll.lifecycle.lingering import Lingering
from atoll.lifecycle.listener import Address
from atoll.lifecycle.sockets import BACKLOG, listening_socket, stop_listening
from atoll.observability.logging import get_logger
from atoll.observability.tracing import TraceContext
from atoll.problems import BadRequest

KEEP_ALIVE_TIMEOUT = 75
"""Seconds an idle connection is kept: longer than our own clients keep theirs (60 s), so that they close first."""

LINGER = 0.25
"""Seconds an idle connection is kept while draining, for a request that is on its way."""

_CANCEL_TIMEOUT = 1.0

_NOT_HTTP = BadRequest("The request is not HTTP/1.1 as it should be.")

log = get_logger()


class UvicornListener:
    """Serves `app`, an ASGI 3 application, at `host` and `port`; its lifespan is not run from here.

    Trusts no `X-Forwarded-*` header: only the gateway meets foreign clients.
    """

    def __init__(self, app: Any, host: str, port: int, *, linger: float = LINGER) -> None:
        self._host = host
        self._port = port
        self._connections = _Connections(linger)
        self._config = uvicorn.Config(
            app,
            interface="asgi3",
            http=_Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_TIMEOUT,
        )
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._date: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        in_hand = len(self._connections.tasks)
        return f"<UvicornListener {self._host}:{self._port}, {in_hand} requests in hand, {self._connections!r}>"

    async def start(self) -> Address:
        self._config.load()
        self._socket = listening_socket(self._host, self._port)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._new_connection, sock=self._socket, backlog=BACKLOG)
        host, self._port = self._socket.getsockname()[:2]
        self._keep_date()
        return Address(host, self._port)

    async def stop_accepting(self) -> None:
        if self._socket is None or self._server is None:
            return
        self._connections.draining = True
        await stop_listening(self._server, self._socket, self._new_connection)
        for connection in self._connections.all():
            connection.finish()

    async def drain(self, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                await self._connections.ended()
        except TimeoutError:
            await self._cut(timeout)
        finally:
            if self._date is not None:
                self._date.cancel()

    async def _cut(self, timeout: float) -> None:
        tasks = set(self._connections.tasks)
        log.warning("requests cut", requests=len(tasks), seconds=timeout)
        for connection in self._connections.all():
            connection.transport.abort()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_TIMEOUT)

    def _new_connection(self) -> asyncio.Protocol:
        return _Connection(config=self._config, server_state=self._connections, app_state={})

    def _keep_date(self) -> None:
        """Renew the `Date` of the answers each second."""
        self._connections.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        self._date = asyncio.get_running_loop().call_later(1.0, self._keep_date)


class _Connections(ServerState):
    """The open connections of one listener, and whether they are to come to their end."""

    def __init__(self, linger: float) -> None:
        super().__init__()
        self.linger = linger
        self.draining = False
        self.one_closed = asyncio.Event()

    def __repr__(self) -> str:
        return f"{len(self.connections)} connections{', draining' if self.draining else ''}"

    def all(self) -> list["_Connection"]:
        return [connection for connection in self.connections if isinstance(connection, _Connection)]

    async def ended(self) -> None:
        """Return when no connection is open, and the app works for none."""
        while self.connections:
            self.one_closed.clear()
            await self.one_closed.wait()
        while self.tasks:
            await asyncio.wait(set(self.tasks))


class _Connection(HttpToolsProtocol):
    """uvicorn's connection, with an end that loses no request, and an answer's head and body in one write."""

    server_state: _Connections
    _last: RequestResponseCycle | None = None
    """The request whose answer shall close the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._joined = JoinedWrites(transport, self.loop, self._end)
        if self.server_state.draining:
            self.finish()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.server_state.one_closed.set()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.cycle.transport = self._joined  # type: ignore[assignment]  # has what a cycle uses
        if self.server_state.draining:
            self._close_after(self.cycle)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, in the form of every other error."""
        body = wire.encode(_NOT_HTTP.details(trace_id=TraceContext.fresh().trace_id))
        fields = f"content-type: {problems.MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        date = b"".join(b"%b: %b\r\n" % field for field in self.server_state.default_headers)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + date + fields.encode("ascii") + body)
        if self._is_answering():
            self.transport.close()
        else:
            Lingering(self.transport, self)

    def _end(self) -> None:
        """Close once the last answer is written; a client that is still sending its request gets to read it."""
        if self.cycle.more_body and not self.transport.is_closing():
            Lingering(self.transport, self)
        else:
            self.transport.close()

    def finish(self) -> None:
        """Answer what has come and what is on its way, then close."""
        self.timeout_keep_alive = self.server_state.linger  # type: ignore[assignment]  # call_later takes both
        if self._is_answering():
            self._close_after(self.cycle)
        else:
            self._unset_keepalive_if_required()
            self._linger()

    def _is_answering(self) -> bool:
        newest: RequestResponseCycle | None = self.cycle
        return newest is not None and not newest.response_complete

    def timeout_keep_alive_handler(self) -> None:
        """Close the idle connection, unless a request has come that the loop has not read yet."""
        if not self.transport.is_closing() and self._has_unread():
            self._linger()
        else:
            super().timeout_keep_alive_handler()

    def _close_after(self, newest: RequestResponseCycle) -> None:
        """Have the answer to the newest request say that it is the last.

        One whose answer has begun without saying so leaves the connection idle, to linger. With several
        requests in line (pipelining) only the newest one closes.
        """
        if newest.response_started or not newest.keep_alive:
            return
        if self._last is not None and not self._last.response_started:
            self._last.keep_alive = True
        newest.keep_alive = False
        self._last = newest

    def _linger(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _has_unread(self) -> bool:
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))
