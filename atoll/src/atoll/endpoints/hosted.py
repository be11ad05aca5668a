"""A foreign ASGI app inside a service: measured, and with a context."""

from contextlib import AbstractAsyncContextManager

from starlette.requests import Request as StarletteRequest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atoll import context
from atoll.asgi_lifespan import AsgiLifespan
from atoll.endpoints.edge import CLIENT_CLOSED, Edge, answer_to, context_of
from atoll.endpoints.request import Request
from atoll.observability.logging import get_logger

log = get_logger()


class Hosted(AbstractAsyncContextManager["Hosted"]):
    """The foreign app with our edge around it; whatever it answers passes through as it is.

    Entering it starts the app, leaving it stops the app. An error that the app raises is told as a problem if nothing
    has been answered yet; frameworks mostly answer a 500 of their own before they raise: then it is only logged.
    """

    def __init__(self, app: ASGIApp, edge: Edge) -> None:
        self._app = app
        self._lifespan = AsgiLifespan(app)
        self._edge = edge

    def __repr__(self) -> str:
        return f"hosted {type(self._app).__name__}"

    async def __aenter__(self) -> "Hosted":
        await self._lifespan.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._lifespan.__aexit__()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = dict(self._lifespan.state)
        if scope["type"] == "http":
            await self._serve(scope, receive, _WatchedSend(send, self._edge.name_field))
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: "_WatchedSend") -> None:
        request = Request(scope, receive, body_limit=0)
        started = self._edge.clock.monotonic()
        previous = context.current.set(context_of(request, started))
        self._edge.metrics.started()
        try:
            await self._answer(scope, receive, send, request)
        finally:
            seconds = self._edge.clock.monotonic() - started
            self._edge.metrics.finished(_template(scope), request.method, send.status, seconds)
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
                await answer.send(receive, send, with_body=request.method != "HEAD")


class _WatchedSend:
    """Passes an answer on with the name of its service, and notes how far it has come."""

    def __init__(self, send: Send, name_field: tuple[bytes, bytes]) -> None:
        self._send = send
        self._name_field = name_field
        self.status = CLIENT_CLOSED
        self.started = False
        self.complete = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), self._name_field]}
        elif message["type"] == "http.response.body":
            self.complete = not message.get("more_body", False)
        await self._send(message)


def _template(scope: Scope) -> str:
    """The template of the route that Starlette and FastAPI leave in the scope; empty from other frameworks."""
    return str(getattr(scope.get("route"), "path", ""))


async def starlette_problem(request: StarletteRequest, error: Exception) -> Response:
    """An exception handler with which an app of Starlette or FastAPI tells errors as every service does:

    app.add_exception_handler(Problem, starlette_problem)
    """
    answer = answer_to(error, Request(request.scope, request.receive, body_limit=0), _template(request.scope))
    response = Response(answer.body, answer.status)
    response.raw_headers = answer.headers
    return response
