"""The raw request, for handlers that ask for it, and for the readers of everything else."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from starlette.types import Receive, Scope

from atoll.problems import ContentTooLarge


class ClientDisconnected(Exception):
    """The client went away before its request was read whole; there is nobody to answer."""


class Request:
    """A request as it came: `method`, `path`, headers, and a body that is read at most once."""

    __slots__ = ("_body", "_body_limit", "_receive", "header_bytes", "path_params", "scope")

    def __init__(self, scope: Scope, receive: Receive, body_limit: int) -> None:
        self.scope = scope
        self.path_params: Mapping[str, str] = scope["path_params"]
        self.header_bytes: dict[bytes, bytes] = dict(scope["headers"])
        """Of one that was sent several times, all values with commas between (RFC 9110, section 5.3)."""
        if len(self.header_bytes) < len(scope["headers"]):
            self.header_bytes = _joined(scope["headers"])
        self._receive = receive
        self._body_limit = body_limit
        self._body: bytes | None = None

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def path(self) -> str:
        """The path, percent-decoded, without the query."""
        return str(self.scope["path"])

    @property
    def query_string(self) -> bytes:
        """The query as it was sent, without the question mark."""
        return bytes(self.scope["query_string"])

    @property
    def client(self) -> tuple[str, int] | None:
        """Address and port of the peer, when the server knows them."""
        client: Any = self.scope.get("client")
        return (client[0], client[1]) if client else None

    @property
    def headers(self) -> dict[str, str]:
        """Every header, names in lower case; the values of one sent several times with commas between."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self.header_bytes.items()}

    def header(self, name: str) -> str | None:
        """One header, whatever the case of its name; None without it."""
        value = self.header_bytes.get(name.lower().encode("latin-1"))
        return None if value is None else value.decode("latin-1")

    async def body(self) -> bytes:
        """The whole body, the same at each call; raises `ContentTooLarge` over the route's limit."""
        if self._body is None:
            self._refuse_announced_size()
            message = await self._receive()
            body = self._chunk_of(message)
            self._refuse_over(len(body))
            self._body = await self._with_the_rest(body) if message.get("more_body") else body
        return self._body

    async def _with_the_rest(self, first: bytes) -> bytes:
        body = bytearray(first)
        more = True
        while more:
            message = await self._receive()
            body += self._chunk_of(message)
            more = message.get("more_body", False)
            self._refuse_over(len(body))
        return bytes(body)

    async def stream(self) -> AsyncIterator[bytes]:
        """The body in pieces as they come; raises `ContentTooLarge` at the piece that goes over the limit."""
        self._refuse_announced_size()
        total = 0
        more = True
        while more:
            message = await self._receive()
            chunk = self._chunk_of(message)
            more = message.get("more_body", False)
            total += len(chunk)
            self._refuse_over(total)
            if chunk:
                yield chunk

    def _chunk_of(self, message: Any) -> bytes:
        if message["type"] != "http.request":
            raise ClientDisconnected
        chunk: bytes = message.get("body", b"")
        return chunk

    def _refuse_announced_size(self) -> None:
        announced = self.header_bytes.get(b"content-length", b"")
        if len(announced) > 18:
            self._refuse_over(self._body_limit + 1)
        if announced.isdigit():
            self._refuse_over(int(announced))

    def _refuse_over(self, size: int) -> None:
        if size > self._body_limit:
            raise ContentTooLarge(f"The body is larger than {self._body_limit} bytes.", headers={"Connection": "close"})


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """A list stays the same list, and of what may be there once nothing is left that could be taken for it."""
    joined: dict[bytes, bytes] = {}
    for name, value in headers:
        joined[name] = joined[name] + b", " + value if name in joined else value
    return joined
