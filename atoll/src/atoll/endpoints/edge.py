"""The edge of a service: around every request a context, a measurement, and errors turned into problems."""

import re
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.types import Receive, Scope, Send

from atoll import context
from atoll.calls import retry, service_name, timeouts
from atoll.clock import Clock
from atoll.context import RequestContext
from atoll.endpoints.answers import Answer, StreamedAnswer, problem_answer
from atoll.endpoints.request import ClientDisconnected, Request
from atoll.endpoints.telling import told, trace_id
from atoll.observability.metrics import HttpMetrics
from atoll.observability.tracing import TraceContext

AnswerRequest: TypeAlias = Callable[[Request], Awaitable[Answer | StreamedAnswer]]
"""Answers one request; whatever it raises is turned into a problem by the edge."""

CLIENT_CLOSED = 499
"""How requests are counted whose client went away before the answer (nginx's number; never sent)."""


class Edge:
    """What the requests of one service have in common. Its answers say that they are of the service `name`."""

    def __init__(self, name: str, metrics: HttpMetrics, clock: Clock) -> None:
        self.metrics = metrics
        self.clock = clock
        self.name_field = (service_name.HEADER.lower().encode("ascii"), name.encode("ascii"))

    def serve(self, template: str, answer: AnswerRequest, *, body_limit: int = 0) -> "Served":
        """An ASGI app that answers requests to one path template, `""` for paths without one."""
        return Served(self, template, answer, body_limit)


class Served:
    """One way to answer, with the edge around it."""

    __slots__ = ("_answer", "_body_limit", "_metrics", "_monotonic", "_name_field", "template")

    def __init__(self, edge: Edge, template: str, answer: AnswerRequest, body_limit: int) -> None:
        self.template = template
        self._answer = answer
        self._body_limit = body_limit
        self._metrics = edge.metrics
        self._name_field = edge.name_field
        self._monotonic = edge.clock.monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, self._body_limit)
        method: str = scope["method"]
        started = self._monotonic()
        status = CLIENT_CLOSED
        previous = context.current.set(context_of(request, started))
        self._metrics.started()
        try:
            answer = await self._answer_or_problem(request)
            status = answer.status
            answer.headers.append(self._name_field)
            await answer.send(receive, send, with_body=method != "HEAD")
        except ClientDisconnected:
            status = CLIENT_CLOSED
        finally:
            self._metrics.finished(self.template, method, status, self._monotonic() - started)
            context.current.reset(previous)

    async def _answer_or_problem(self, request: Request) -> Answer | StreamedAnswer:
        try:
            return await self._answer(request)
        except ClientDisconnected:
            raise
        except Exception as error:
            return answer_to(error, request, self.template)


_REMAINING = timeouts.HEADER.lower().encode("ascii")
_CALLER_RETRIES = retry.HEADER.lower().encode("ascii")
_REQUEST_ID = re.compile(rb"[!-~]{1,128}")


def context_of(request: Request, now: float) -> RequestContext:
    """What the headers say of the request's place in the world; `now` is the clock's monotonic time."""
    headers = request.header_bytes
    traceparent = headers.get(b"traceparent")
    trace = TraceContext.fresh() if traceparent is None else _next_place(traceparent)
    given_id = headers.get(b"x-request-id")
    request_id = trace.span_id if given_id is None else _sane_id(given_id) or trace.span_id
    remaining = headers.get(_REMAINING)
    return RequestContext(
        trace,
        request_id,
        deadline=None if remaining is None else _deadline(remaining, now),
        caller_retries=_CALLER_RETRIES in headers,
    )


def _sane_id(given: bytes) -> str | None:
    return given.decode("ascii") if _REQUEST_ID.fullmatch(given) else None


def _deadline(remaining: bytes, now: float) -> float | None:
    seconds = timeouts.read(remaining)
    return None if seconds is None else now + seconds


def _next_place(traceparent: bytes) -> TraceContext:
    return TraceContext.parse(traceparent.decode("latin-1")).child()


def answer_to(error: Exception, request: Request, template: str) -> Answer:
    """The answer that an error is."""
    problem = told(error, method=request.method, route=template)
    return problem_answer(problem, instance=_printable(request.path), trace_id=trace_id())


def _printable(path: str) -> str:
    """Servers may leave lone surrogates where a path was no UTF-8; JSON has no place for them."""
    return path.encode("utf-8", "replace").decode("utf-8")
