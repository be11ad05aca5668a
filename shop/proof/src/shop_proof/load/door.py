"""The public door, as one client after the other sees it: one request, and its whole answer as it came."""

from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from atoll.calls.exchange import WholeExchange
from atoll.calls.expiries import Expiries
from atoll.http1.errors import ConnectionFault
from atoll.http1.messages import Fields, find
from atoll.http1.pool import ConnectionPool
from shop_proof.history import Recorder

PATIENCE = 30.0
"""Seconds that one answer may take; longer than the longest time limit of the gateway's own."""

_BODY_LIMIT = 16 * 1024 * 1024


class NoAnswer(Exception):
    """No whole answer came; nobody knows what the request has done."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. `told` is the body as the history may know it, without secrets; `private` keeps it out of there."""

    method: str
    path: str
    body: bytes = b""
    key: str = ""
    by: str = ""
    token: str = ""
    told: bytes | None = None
    private: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    fields: Fields
    body: bytes

    @property
    def retry_after(self) -> float:
        """The seconds that the answer asks to wait; 0 when it does not."""
        value = find(self.fields, b"retry-after")
        return float(value) if value is not None and value.isdigit() else 0.0


class Door:
    """Connections to one gateway; enter it before use. Nothing is repeated here, and everything is written down."""

    def __init__(self, url: str, recorder: Recorder, *, connections: int) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        self._authority = parts.netloc
        self._pool = ConnectionPool(host, parts.port or 80, max_connections=connections)
        self._recorder = recorder
        self._expiries = Expiries()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._pool.close()
        self._expiries.close()

    async def ask(self, ask: Ask) -> Reply:
        """The answer, whatever its status; raises `NoAnswer`."""
        if ask.private:
            return await self._exchange(ask)
        number = self._recorder.sent(
            by=ask.by,
            method=ask.method,
            path=ask.path,
            key=ask.key,
            body=ask.body if ask.told is None else ask.told,
        )
        try:
            reply = await self._exchange(ask)
        except NoAnswer as lost:
            self._recorder.unanswered(number, str(lost))
            raise
        self._recorder.answered(number, reply.status, reply.body)
        return reply

    async def _exchange(self, ask: Ask) -> Reply:
        exchange = WholeExchange(self._expiries, _BODY_LIMIT)
        try:
            connection = await self._pool.acquire()
            exchange.start(connection, self._head(ask), ask.body or None, to_head=False, seconds=PATIENCE)
            try:
                await exchange.answered()
            finally:
                exchange.abandon()
        except ConnectionFault as fault:
            raise NoAnswer(str(fault)) from fault
        return Reply(exchange.status, exchange.fields, exchange.body)

    def _head(self, ask: Ask) -> bytes:
        lines = [f"{ask.method} {ask.path} HTTP/1.1", f"Host: {self._authority}"]
        if ask.token:
            lines.append(f"Authorization: Bearer {ask.token}")
        if ask.key:
            lines.append(f"Idempotency-Key: {ask.key}")
        if ask.body:
            lines.append("Content-Type: application/json")
        if ask.method != "GET":
            lines.append(f"Content-Length: {len(ask.body)}")
        return "\r\n".join([*lines, "", ""]).encode("ascii")
