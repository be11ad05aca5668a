"""Calls an ASGI app in this process, without a server or a socket: for tests of services, ours or foreign."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from json import loads
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import unquote, urlencode, urlsplit

from starlette.types import ASGIApp, Message, Scope

from atoll import wire
from atoll.asgi_lifespan import AsgiLifespan
from atoll.problems import ProblemDetails

T = TypeVar("T")

_UNSET: Any = object()


class AppResponse:
    """An answer of an app. `headers` has lower-case names; of a header sent twice it has the last."""

    def __init__(self, status: int, raw_headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        self.status = status
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw_headers}
        self.body = body

    def __repr__(self) -> str:
        return f"<AppResponse {self.status} {self.body[:200]!r}>"

    def json(self) -> Any:
        """The body, as JSON of any shape."""
        return loads(self.body)

    def into(self, type_: type[T]) -> T:
        """The body, as JSON of this type."""
        return wire.decoder(type_).decode(self.body)

    def problem(self) -> ProblemDetails:
        """The body of an error; AssertionError for an answer that is none."""
        assert self.headers.get("content-type") == "application/problem+json", self
        return self.into(ProblemDetails)


class AppClient:
    """A client of one app: `async with AppClient(service.app) as client: await client.get("/health")`.

    Within the block the app has started, and it is stopped at the end; calls without the block leave its lifespan
    alone. `headers` are sent with every request. An error that the app lets out is raised in the test.
    """

    def __init__(self, app: ASGIApp, *, headers: Mapping[str, str] | None = None) -> None:
        self._app = app
        self._headers = dict(headers or {})
        self._lifespan = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._lifespan.enter_async_context(AsgiLifespan(self._app))
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._lifespan.aclose()

    async def get(self, target: str, **options: Any) -> AppResponse:
        """`request` with GET; so are the others."""
        return await self.request("GET", target, **options)

    async def post(self, target: str, json: object = _UNSET, **options: Any) -> AppResponse:
        return await self.request("POST", target, json=json, **options)

    async def put(self, target: str, json: object = _UNSET, **options: Any) -> AppResponse:
        return await self.request("PUT", target, json=json, **options)

    async def patch(self, target: str, json: object = _UNSET, **options: Any) -> AppResponse:
        return await self.request("PATCH", target, json=json, **options)

    async def delete(self, target: str, **options: Any) -> AppResponse:
        return await self.request("DELETE", target, **options)

    async def request(
        self,
        method: str,
        target: str,
        *,
        json: object = _UNSET,
        content: bytes | Sequence[bytes] = b"",
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AppResponse:
        """Send one request and wait for the whole answer.

        `target` is a path, percent-encoded, perhaps with a query, to which `query` is added. The body is `json`, or
        `content`, in as many pieces as it has. A Content-Length is sent for a body in one piece.
        """
        sent = {**self._headers, **(headers or {})}
        chunks = [content] if isinstance(content, bytes) else list(content)
        if json is not _UNSET:
            chunks = [wire.encode(json)]
            sent.setdefault("Content-Type", wire.MEDIA_TYPE)
        if len(chunks) == 1 and chunks[0]:
            sent.setdefault("Content-Length", str(len(chunks[0])))
        exchange = _Exchange(chunks)
        await self._app(_scope(method, target, query, sent), exchange.receive, exchange.send)
        return exchange.response()


def _scope(method: str, target: str, query: Mapping[str, object] | None, headers: Mapping[str, str]) -> Scope:
    parts = urlsplit(target)
    queries = [part for part in (parts.query, urlencode(query or {}, doseq=True)) if part]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode("ascii"),
        "query_string": "&".join(queries).encode("ascii"),
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
    }


class _Exchange:
    """The server's side of one request: hands out the body, and gathers the answer."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        last = max(0, len(chunks) - 1)
        self._to_app: list[Message] = [
            {"type": "http.request", "body": chunk, "more_body": i < last} for i, chunk in enumerate(chunks or [b""])
        ]
        self._start: Message | None = None
        self._body = bytearray()
        self._complete = asyncio.Event()

    async def receive(self) -> Message:
        if self._to_app:
            return self._to_app.pop(0)
        await self._complete.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            assert self._start is None, "the answer was begun twice"
            self._start = message
            return
        assert self._start is not None, "a body came before the answer was begun"
        assert not self._complete.is_set(), "more body came after its end"
        self._body += message.get("body", b"")
        if not message.get("more_body", False):
            self._complete.set()

    def response(self) -> AppResponse:
        assert self._start is not None, "the app gave no answer"
        assert self._complete.is_set(), "the app did not finish its answer"
        return AppResponse(self._start["status"], self._start.get("headers", []), bytes(self._body))
