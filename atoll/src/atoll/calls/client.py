"""Calling another service: `ServiceClient`.

The way of a call: `request` → `_with_retry` → `_to_instance` → `_attempt`, each with one concern.
"""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypedDict, TypeVar, Unpack, cast, overload

from atoll import context, wire
from atoll.calls.answer import Headers, Response
from atoll.calls.errors import (
    CallError,
    CallTimeout,
    ConnectFailed,
    ConnectionLost,
    InvalidAnswer,
    NoInstances,
    upstream_problem,
)
from atoll.calls.exchange import Exchange, StreamedExchange, TimedOut, WholeExchange
from atoll.calls.load_balancer import LoadBalancer, PowerOfTwoChoices
from atoll.calls.request import CallRequest, Query, build_request
from atoll.calls.retry import DEFAULT_RETRY, RetryPolicy
from atoll.calls.timeouts import DEFAULT_TIMEOUTS, HEADER, Timeouts, written
from atoll.calls.upstreams import Upstream, Upstreams
from atoll.clock import Clock, SystemClock
from atoll.discovery.directory import Directory
from atoll.http1 import errors as http1
from atoll.http1.client_connection import ClientConnection
from atoll.observability.tracing import TraceContext
from atoll.problems import Problem

T = TypeVar("T")
E = TypeVar("E", bound=Exchange)

DEFAULT_BODY_LIMIT = 16 * 1024 * 1024
"""Bytes of an answer that is read as a whole."""

_PROBLEM_LIMIT = 64 * 1024


class CallOptions(TypedDict, total=False):
    """What every call may be given besides its path and body."""

    query: Query | None
    headers: Mapping[str, str] | None
    timeout: float | Timeouts | None
    """Seconds for the whole call, or its bounds (`connect` is the client's); None for those of the client."""
    idempotency_key: str | None
    """Sent as `Idempotency-Key`; with it a POST or PATCH may be repeated."""


class ServiceClient:
    """Calls the service `service` at the instances that `directory` knows. Enter it before use.

    Every call ends within its time (`Timeouts`), and within what is left to the request that we work for
    (`atoll.context`); what is left is handed on. A call that failed is tried again, at another instance if
    there is one, when nothing was sent, or when the request may be repeated: GET, HEAD, PUT, DELETE, or an
    idempotency key (see `atoll.calls.retry`). An answer other than 2xx raises `UpstreamProblem`; all errors
    are in `atoll.calls.errors`. Calls may run at once, and be cancelled at any moment.

    `credential(service)` gives the token that is sent as `Authorization: Bearer …`, unless a call brings a
    header `Authorization` of its own. `body_limit` is in bytes, for answers read as a whole.
    """

    def __init__(
        self,
        service: str,
        directory: Directory,
        *,
        credential: Callable[[str], str] | None = None,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        retry: RetryPolicy = DEFAULT_RETRY,
        load_balancer: LoadBalancer | None = None,
        max_connections: int = 100,
        body_limit: int = DEFAULT_BODY_LIMIT,
        clock: Clock | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.service = service
        self._credential = credential
        self._timeouts = timeouts
        self._retry = retry
        self._balancer = load_balancer or PowerOfTwoChoices(chance)
        self._upstreams = Upstreams(
            service, directory, connect_timeout=timeouts.connect, max_connections=max_connections
        )
        self._body_limit = body_limit
        self._clock = clock or SystemClock()
        self._chance = chance or random.Random()  # noqa: S311 - jitter is no secret

    def __repr__(self) -> str:
        return f"<ServiceClient {self._upstreams!r}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._upstreams.close()

    # Calls with typed answers.

    async def get(self, path: str, *, into: type[T], **options: Unpack[CallOptions]) -> T:
        """What is at `path`, read as `into`."""
        return self._decode(await self.request("GET", path, **options), into)

    @overload
    async def post(self, path: str, body: object = None, *, into: type[T], **options: Unpack[CallOptions]) -> T: ...
    @overload
    async def post(
        self, path: str, body: object = None, *, into: None = None, **options: Unpack[CallOptions]
    ) -> None: ...
    async def post(self, path: str, body: object = None, *, into: Any = None, **options: Any) -> Any:
        """Send `body` (JSON, unless it is bytes or an async iterable of bytes); the answer is read as `into`.

        Never sent twice without an `idempotency_key`.
        """
        return self._read(await self.request("POST", path, body=body, **options), into)

    @overload
    async def put(self, path: str, body: object = None, *, into: type[T], **options: Unpack[CallOptions]) -> T: ...
    @overload
    async def put(
        self, path: str, body: object = None, *, into: None = None, **options: Unpack[CallOptions]
    ) -> None: ...
    async def put(self, path: str, body: object = None, *, into: Any = None, **options: Any) -> Any:
        """As `post`; may be repeated."""
        return self._read(await self.request("PUT", path, body=body, **options), into)

    @overload
    async def patch(self, path: str, body: object = None, *, into: type[T], **options: Unpack[CallOptions]) -> T: ...
    @overload
    async def patch(
        self, path: str, body: object = None, *, into: None = None, **options: Unpack[CallOptions]
    ) -> None: ...
    async def patch(self, path: str, body: object = None, *, into: Any = None, **options: Any) -> Any:
        """As `post`."""
        return self._read(await self.request("PATCH", path, body=body, **options), into)

    @overload
    async def delete(self, path: str, *, into: type[T], **options: Unpack[CallOptions]) -> T: ...
    @overload
    async def delete(self, path: str, *, into: None = None, **options: Unpack[CallOptions]) -> None: ...
    async def delete(self, path: str, *, into: Any = None, **options: Any) -> Any:
        """Delete what is at `path`; may be repeated."""
        return self._read(await self.request("DELETE", path, **options), into)

    # Calls with answers as they come.

    async def request(self, method: str, path: str, *, body: object = None, **options: Unpack[CallOptions]) -> Response:
        """Any method, and the whole answer as it came."""
        request, timeouts = self._build(method, path, body, **options)
        exchange = await self._with_retry(request, timeouts, lambda: WholeExchange(self._body_limit))
        return Response(exchange.status, exchange.fields, exchange.body, request.tried[-1].instance.id)

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, body: object = None, **options: Unpack[CallOptions]
    ) -> AsyncIterator["StreamedResponse"]:
        """As `request`, but entered as soon as the answer's head is there; its body is an async iterator.

        The bounds: `attempt` for the head, `total` for everything. A stream that goes on and on says so:
        `timeout=Timeouts(total=math.inf)`. Leaving before the end of the body closes the connection.
        """
        request, timeouts = self._build(method, path, body, **options)
        exchange = await self._with_retry(request, timeouts, StreamedExchange)
        exchange.expire_in(request.deadline - self._clock.monotonic())
        try:
            yield StreamedResponse(self, exchange, request.tried[-1])
        finally:
            await exchange.close()

    def _build(
        self,
        method: str,
        path: str,
        body: object,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | Timeouts | None = None,
        idempotency_key: str | None = None,
    ) -> tuple[CallRequest, Timeouts]:
        timeouts = timeout if isinstance(timeout, Timeouts) else self._timeouts
        total = timeout if isinstance(timeout, int | float) else timeouts.total
        request = build_request(
            method,
            path,
            query=query,
            headers=headers,
            body=body,
            idempotency_key=idempotency_key,
            authorization=f"Bearer {self._credential(self.service)}" if self._credential else None,
            deadline=self._deadline(total),
        )
        return request, timeouts

    def _deadline(self, total: float) -> float:
        deadline = self._clock.monotonic() + total
        caller = context.current.get()
        if caller is None or caller.deadline is None:
            return deadline
        return min(deadline, caller.deadline)

    # The ladder.

    async def _with_retry(self, request: CallRequest, timeouts: Timeouts, exchange: Callable[[], E]) -> E:
        attempts = 0
        while True:
            attempts += 1
            try:
                return await self._to_instance(request, timeouts, exchange())
            except CallError as error:
                error.attempts = attempts
                pause = self._retry.pause_after(
                    error,
                    attempts=attempts,
                    repeatable=request.repeatable,
                    remaining=request.deadline - self._clock.monotonic(),
                    chance=self._chance,
                )
                if pause is None:
                    raise
            await self._clock.sleep(pause)

    async def _to_instance(self, request: CallRequest, timeouts: Timeouts, exchange: E) -> E:
        upstream = self._choose(request)
        request.tried += (upstream,)
        try:
            await self._attempt(request, timeouts, upstream, exchange)
            if not 200 <= exchange.status < 300:
                raise upstream_problem(
                    exchange.status,
                    exchange.fields,
                    await exchange.rest(_PROBLEM_LIMIT),
                    service=self.service,
                    instance=upstream.instance.id,
                )
        except http1.ConnectionFault as fault:
            raise self.translated(fault, upstream) from fault
        return exchange

    def _choose(self, request: CallRequest) -> Upstream:
        upstreams = self._upstreams.current()
        if not upstreams:
            raise NoInstances(service=self.service)
        if request.tried:
            upstreams = [upstream for upstream in upstreams if upstream not in request.tried] or upstreams
        return self._balancer.choose(upstreams)

    async def _attempt(self, request: CallRequest, timeouts: Timeouts, upstream: Upstream, exchange: Exchange) -> None:
        now = self._clock.monotonic()
        until = min(now + timeouts.attempt, request.deadline)
        if until <= now:
            raise TimedOut("the time for the call is up", nothing_was_sent=True)
        connection = upstream.pool.take(careful=not request.repeatable)
        if connection is None:
            connection = await self._connection(upstream, until - now)
            now = self._clock.monotonic()
        remaining = (until if isinstance(exchange, WholeExchange) else request.deadline) - now
        head = request.head(upstream.authority, _lines_for_attempt(remaining))
        exchange.start(connection, head, request.body, to_head=request.method == "HEAD", seconds=max(0.0, until - now))
        await exchange.answered()

    async def _connection(self, upstream: Upstream, seconds: float) -> ClientConnection:
        try:
            async with asyncio.timeout(seconds):
                return await upstream.pool.acquire()
        except TimeoutError as error:
            raise TimedOut(f"no connection was free within {round(seconds, 2):g} s", nothing_was_sent=True) from error

    def translated(self, fault: http1.ConnectionFault, upstream: Upstream) -> CallError:
        """The error of a call that a fault of its connection is."""
        evidence = {"service": self.service, "instance": upstream.instance.id}
        match fault:
            case TimedOut():
                return CallTimeout(str(fault), nothing_was_sent=fault.nothing_was_sent, **evidence)
            case http1.CannotConnect() | http1.PoolClosed():
                return ConnectFailed(str(fault), **evidence)
            case http1.InvalidAnswer():
                return InvalidAnswer(str(fault), **evidence)
            case _:
                return ConnectionLost(str(fault), **evidence)

    def _read(self, response: Response, into: type[T] | None) -> T | None:
        return None if into is None else self._decode(response, into)

    def _decode(self, response: Response, into: type[T]) -> T:
        decoder: wire.Decoder[T] = wire.decoder(cast("Any", into))
        try:
            return decoder.decode(response.body)
        except Problem as problem:  # of theirs, not of our caller's
            mistakes = "; ".join(f"{mistake.pointer} {mistake.detail}".lstrip() for mistake in problem.errors)
            raise InvalidAnswer(
                f"the answer is no {getattr(into, '__name__', into)}: {mistakes or problem.detail}",
                service=self.service,
                instance=response.instance,
            ) from problem


class StreamedResponse:
    """An answer whose head is there: iterate over it for the body, in pieces as they came.

    Iterating raises `ConnectionLost`, `CallTimeout` and `InvalidAnswer`. The connection is read no faster
    than the pieces are taken: at most some 64 KiB, and one read of 256 KiB, wait here.
    """

    def __init__(self, client: ServiceClient, exchange: StreamedExchange, upstream: Upstream) -> None:
        self.status = exchange.status
        self.instance = upstream.instance.id
        self._client = client
        self._exchange = exchange
        self._upstream = upstream

    def __repr__(self) -> str:
        return f"<StreamedResponse {self.status} from {self.instance}>"

    @property
    def headers(self) -> Headers:
        return Headers(self._exchange.fields)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            part = await self._exchange.next_part()
        except http1.ConnectionFault as fault:
            raise self._client.translated(fault, self._upstream) from fault
        if part is None:
            raise StopAsyncIteration
        return part


def _lines_for_attempt(remaining: float) -> str:
    """What tells the service of which trace and request this attempt is part, and how long it is waited for."""
    caller = context.current.get()
    trace = TraceContext.fresh() if caller is None else caller.trace.child()
    lines = f"traceparent: {trace.header()}\r\n"
    if caller is not None:
        lines += f"X-Request-Id: {caller.request_id}\r\n"
    if remaining < math.inf:
        lines += f"{HEADER}: {written(remaining)}\r\n"
    return lines
