"""A foreign ASGI app inside a service: measured, with a context, and with its own lifespan."""

import asyncio
from contextlib import AbstractAsyncContextManager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atoll import context
from atoll.endpoints.answers import send_answer
from atoll.endpoints.edge import CLIENT_CLOSED, Edge, answer_to, context_of
from atoll.endpoints.request import Request
from atoll.observability.logging import get_logger

log = get_logger()


class Hosted:
    """The foreign app with our edge around it; its answers pass through as they are."""

    def __init__(self, app: ASGIApp, edge: Edge) -> None:
        self._app = app
        self._edge = edge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, body_limit=0)
        watched = _WatchedSend(send)
        started = self._edge.clock.monotonic()
        previous = context.current.set(context_of(request))
        self._edge.metrics.started()
        try:
            await self._answer(scope, receive, watched, request)
        finally:
            seconds = self._edge.clock.monotonic() - started
            self._edge.metrics.finished(_template(scope), request.method, watched.status, seconds)
            context.current.reset(previous)

    async def _answer(self, scope: Scope, receive: Receive, send: "_WatchedSend", request: Request) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            if send.complete:
                log.exception("request failed", method=request.method, route=_template(scope))
            elif send.started:
                raise
            else:
                answer = answer_to(error, request, _template(scope))
                await send_answer(answer, send, with_body=request.method != "HEAD")


class _WatchedSend:
    """Passes an answer on, and notes how far it has come."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = CLIENT_CLOSED
        self.started = False
        self.complete = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.complete = not message.get("more_body", False)
        await self._send(message)


def lifespan_of(app: ASGIApp) -> AbstractAsyncContextManager[None]:
    """The app's own start and stop, by ASGI's lifespan protocol; nothing for an app that has none."""
    return _Lifespan(app)


class _Lifespan(AbstractAsyncContextManager[None]):
    """Speaks the server's side of the lifespan protocol (ASGI 3.0) with one app."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._conversation: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"the lifespan of {type(self._app).__name__}"

    async def __aenter__(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        self._conversation = asyncio.create_task(self._talk(scope))
        await self._ask("lifespan.startup", self._conversation)

    async def __aexit__(self, *_: object) -> None:
        if self._conversation is not None and not self._conversation.done():
            await self._ask("lifespan.shutdown", self._conversation)
            await self._conversation

    async def _talk(self, scope: Scope) -> None:
        await self._app(scope, self._to_app.get, self._from_app.put)

    async def _ask(self, event: str, conversation: asyncio.Task[None]) -> None:
        """Tell the app, and wait for its word; an app that ends the talk at the start knows no lifespan."""
        await self._to_app.put({"type": event})
        word = asyncio.ensure_future(self._from_app.get())
        await asyncio.wait((word, conversation), return_when=asyncio.FIRST_COMPLETED)
        if not word.done():
            word.cancel()
            log.debug("hosted app has no lifespan", at=event)
            return
        if word.result()["type"] == f"{event}.failed":
            raise RuntimeError(word.result().get("message") or f"{event} failed")


def _template(scope: Scope) -> str:
    """The template of the route that Starlette and FastAPI leave in the scope; empty from other frameworks."""
    return str(getattr(scope.get("route"), "path", ""))
