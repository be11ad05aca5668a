"""Calling another service: `ServiceClient`.

The way of a call down the ladder, each rung with one concern:

    _answer → _build       the deadline: our caller's, or sooner
    → _within_bulkhead     a place among the calls under way
    → _with_retry          again, if that is for us to do and the budget has something left
    → _to_instance         the balancer's choice among instances whose breakers are closed; the outcome told to them
    → _attempt             one request on one connection, in its time
    → _accept              anything but 2xx is an error; so is an answer from another service

What every call runs through is laid out for that: no task and no timer of its own, four coroutines deep, and
what stays the same from call to call is looked up once.
"""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, overload

from atoll import context, wire
from atoll.calls import service_name
from atoll.calls.answer import Headers, Response
from atoll.calls.attempt import Attempt, Observer
from atoll.calls.errors import (
    CallError,
    CallTimeout,
    ConnectFailed,
    ConnectionLost,
    InvalidAnswer,
    NoInstances,
    NotPermitted,
    TooManyCalls,
    UpstreamProblem,
    WrongService,
    upstream_problem,
)
from atoll.calls.exchange import Exchange, StreamedExchange, TimedOut, WholeExchange
from atoll.calls.expiries import Expiries
from atoll.calls.load_balancer import LoadBalancer
from atoll.calls.policy import DEFAULT_POLICY, CallPolicy
from atoll.calls.rechecks import Rechecks
from atoll.calls.request import CallOptions, CallRequest, build_request
from atoll.calls.retry import pause_after
from atoll.calls.timeouts import Timeouts
from atoll.calls.upstreams import Upstream, Upstreams
from atoll.clock import Clock, SystemClock
from atoll.discovery.directory import Directory
from atoll.http1 import errors as http1
from atoll.http1.client_connection import ClientConnection
from atoll.observability.tracing import NextHops
from atoll.problems import Problem
from atoll.resilience.bulkhead import Bulkhead
from atoll.resilience.circuit_breaker import Permit, StateChange
from atoll.resilience.errors import BulkheadFullError
from atoll.resilience.retry_budget import RetryBudget
from atoll.resilience.retry_policy import RetryPolicy

T = TypeVar("T")
E = TypeVar("E", bound=Exchange)

DEFAULT_BODY_LIMIT = 16 * 1024 * 1024
"""Bytes of an answer that is read as a whole."""

CREDENTIAL_SECONDS = 1.0
"""How long a credential that was asked for is sent, before it is asked for again."""

_PROBLEM_LIMIT = 64 * 1024


class ServiceClient:
    """Calls the service `service` at the instances that `directory` knows. Enter it before use.

    Every call ends within its time (`Timeouts`), and within what is left to the request that we work for
    (`atoll.context`); what is left is handed on. A call that failed is tried again, at another instance if
    there is one, when nothing was sent, or when the request may be repeated: GET, HEAD, PUT, DELETE, or an
    idempotency key; within one budget for all calls, and at one layer only (see `atoll.calls.retry`).
    Instances that fail are left out for a while, never all of them. An answer other than 2xx raises
    `UpstreamProblem`; all errors are in `atoll.calls.errors`. Calls may run at once, and be cancelled at any
    moment.

    `policy` has all bounds; `timeouts` and `retry` stand for those two of it. `credential(service)` gives the
    token that is sent as `Authorization: Bearer …`, unless a call brings a header `Authorization` of its own; it
    is asked at most once a second.
    `body_limit` is in bytes, for answers read as a whole. `observers` are told of each attempt, and
    `on_breaker_change` of each change of a breaker.
    """

    def __init__(
        self,
        service: str,
        directory: Directory,
        *,
        credential: Callable[[str], str] | None = None,
        policy: CallPolicy = DEFAULT_POLICY,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
        load_balancer: LoadBalancer | None = None,
        max_connections: int = 100,
        body_limit: int = DEFAULT_BODY_LIMIT,
        observers: Sequence[Observer] = (),
        on_breaker_change: Callable[[StateChange], None] | None = None,
        clock: Clock | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.service = service
        self.policy = replace(policy, timeouts=timeouts or policy.timeouts, retry=retry or policy.retry)
        self.observers = list(observers)
        self._credential = credential
        self._authorization = ""
        self._authorization_until = -math.inf
        self._clock = clock or SystemClock()
        self._monotonic = self._clock.monotonic
        self._chance = chance or random.Random()  # noqa: S311 - jitter is no secret
        self.bulkhead = Bulkhead(self.policy.bulkhead, name=service, clock=self._clock)
        self.retry_budget = RetryBudget(self.policy.retry_budget, clock=self._clock)
        self.upstreams = Upstreams(
            service,
            directory,
            connect_timeout=self.policy.timeouts.connect,
            max_connections=max_connections,
            circuit_breaker=self.policy.circuit_breaker,
            load_balancer=load_balancer,
            on_change=on_breaker_change,
            clock=self._clock,
            chance=self._chance,
        )
        self._rechecks = Rechecks(self.upstreams, self._clock, self._chance)
        self._hops = NextHops()
        self._expiries = Expiries()
        self._whole = partial(WholeExchange, self._expiries, body_limit)
        self._streamed = partial(StreamedExchange, self._expiries)
        self._signature = service_name.field(service)
        """What the service's own answers have among their fields."""
        self._usual_bounds = self._bounds()

    def __repr__(self) -> str:
        return f"<ServiceClient {self.upstreams!r}, {self.bulkhead!r}, {self.retry_budget!r}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._rechecks.close()
        await self.upstreams.close()
        self._expiries.close()

    # Calls with typed answers.

    async def get(self, path: str, *, into: type[T], **options: Unpack[CallOptions]) -> T:
        """What is at `path`, read as `into`."""
        return self._decode(await self._answer("GET", path, None, options), into)

    @overload
    async def post(self, path: str, body: object = None, *, into: type[T], **options: Unpack[CallOptions]) -> T: ...
    @overload
    async def post(
        self, path: str, body: object = None, *, into: None = None, **options: Unpack[CallOptions]
    ) -> None: ...
    async def post(self, path: str, body: object = None, *, into: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Send `body` (JSON, unless it is bytes or an async iterable of bytes); the answer is read as `into`.

        Never sent twice without an `idempotency_key`.
        """
        return self._read(await self._answer("POST", path, body, options), into)

    @overload
    async def put(self, path: str, body: object = None, *, into: type[T], **options: Unpack[CallOptions]) -> T: ...
    @overload
    async def put(
        self, path: str, body: object = None, *, into: None = None, **options: Unpack[CallOptions]
    ) -> None: ...
    async def put(self, path: str, body: object = None, *, into: Any = None, **options: Unpack[CallOptions]) -> Any:
        """As `post`; may be repeated."""
        return self._read(await self._answer("PUT", path, body, options), into)

    @overload
    async def patch(self, path: str, body: object = None, *, into: type[T], **options: Unpack[CallOptions]) -> T: ...
    @overload
    async def patch(
        self, path: str, body: object = None, *, into: None = None, **options: Unpack[CallOptions]
    ) -> None: ...
    async def patch(self, path: str, body: object = None, *, into: Any = None, **options: Unpack[CallOptions]) -> Any:
        """As `post`."""
        return self._read(await self._answer("PATCH", path, body, options), into)

    @overload
    async def delete(self, path: str, *, into: type[T], **options: Unpack[CallOptions]) -> T: ...
    @overload
    async def delete(self, path: str, *, into: None = None, **options: Unpack[CallOptions]) -> None: ...
    async def delete(self, path: str, *, into: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Delete what is at `path`; may be repeated."""
        return self._read(await self._answer("DELETE", path, None, options), into)

    # Calls with answers as they come.

    async def request(self, method: str, path: str, *, body: object = None, **options: Unpack[CallOptions]) -> Response:
        """Any method, and the whole answer as it came."""
        return await self._answer(method, path, body, options)

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, body: object = None, **options: Unpack[CallOptions]
    ) -> AsyncIterator["StreamedResponse"]:
        """As `request`, but entered as soon as the answer's head is there; its body is an async iterator.

        The bounds: `attempt` for the head, `total` for everything. A stream that goes on and on says so:
        `timeout=Timeouts(total=math.inf)`. Leaving before the end of the body closes the connection.
        """
        request = self._build(method, path, body, options)
        if not self.bulkhead.try_acquire():
            await self._within_bulkhead(request)
        try:
            exchange = await self._with_retry(request, self._streamed)
            exchange.expire_in(request.deadline - self._monotonic())
            try:
                yield StreamedResponse(self, exchange, request.tried[-1])
            finally:
                await exchange.close()
        finally:
            self.bulkhead.release()

    async def _answer(self, method: str, path: str, body: object, options: CallOptions) -> Response:
        request = self._build(method, path, body, options)
        if not self.bulkhead.try_acquire():
            await self._within_bulkhead(request)
        try:
            exchange = await self._with_retry(request, self._whole)
        finally:
            self.bulkhead.release()
        return Response(exchange.status, exchange.fields, exchange.body, request.tried[-1].instance.id)

    def _build(self, method: str, path: str, body: object, options: CallOptions) -> CallRequest:
        total, attempt, retry = self._bounds(**options) if options else self._usual_bounds
        now = self._monotonic()
        deadline = now + total
        caller = context.current.get()
        if caller is not None and caller.deadline is not None and caller.deadline < deadline:
            deadline = caller.deadline
        return build_request(
            method,
            path,
            body,
            options,
            authorization=self._authorization if now < self._authorization_until else self._authorize(now),
            deadline=deadline,
            attempt_timeout=attempt,
            retry=retry,
            caller=caller,
        )

    def _bounds(self, **options: Unpack[CallOptions]) -> tuple[float, float, RetryPolicy]:
        """What a call may take in all, what an attempt may take, in seconds, and how often it is tried."""
        timeouts, timeout = self.policy.timeouts, options.get("timeout")
        if isinstance(timeout, Timeouts):
            timeouts = timeout
        elif timeout is not None:
            timeouts = replace(timeouts, total=timeout)
        return timeouts.total, min(timeouts.attempt, timeouts.total), options.get("retry") or self.policy.retry

    def _authorize(self, now: float) -> str:
        """The line that says who calls; nothing for a client without a credential."""
        if self._credential is not None:
            self._authorization = f"Authorization: Bearer {self._credential(self.service)}\r\n"
        self._authorization_until = now + CREDENTIAL_SECONDS
        return self._authorization

    # The ladder.

    async def _within_bulkhead(self, request: CallRequest) -> None:
        """Wait for a place; who called gives it back."""
        try:
            await self.bulkhead.acquire(at_most=request.deadline - self._monotonic())
        except BulkheadFullError as error:
            raise TooManyCalls(str(error), service=self.service) from error

    async def _with_retry(self, request: CallRequest, exchange: Callable[[], E]) -> E:
        self.retry_budget.deposit()
        while True:
            try:
                return await self._to_instance(request, exchange())
            except CallError as error:
                error.attempts = max(1, len(request.tried))
                pause = pause_after(
                    error,
                    request.retry,
                    attempts=error.attempts,
                    repeatable=request.repeatable and not request.caller_retries,
                    remaining=request.deadline - self._monotonic(),
                    chance=self._chance,
                )
                if pause is None or not self.retry_budget.try_withdraw():
                    raise
            await self._clock.sleep(pause)

    async def _to_instance(self, request: CallRequest, exchange: E) -> E:
        chosen = self.upstreams.choose(request.tried)
        if chosen is None:
            raise self._nobody()
        upstream, permit = chosen
        request.tried += (upstream,)
        began = self._monotonic()
        try:
            await self._attempt(request, upstream, exchange, began)
        except CallError as error:
            self._failed(request, chosen, exchange.status, began, error)
            raise
        except BaseException:
            upstream.came_to_nothing(permit, self._monotonic() - began)
            raise
        now = self._monotonic()
        upstream.answered(permit, now - began, now)
        if self.observers:
            self._tell_observers(request, upstream, exchange.status, now - began, None)
        return exchange

    def _nobody(self) -> CallError:
        return (NotPermitted if self.upstreams.current() else NoInstances)(service=self.service)

    async def _attempt(self, request: CallRequest, upstream: Upstream, exchange: Exchange, now: float) -> None:
        try:
            until = min(now + request.attempt_timeout, request.deadline)
            if until <= now:
                raise TimedOut("the time for the call is up", nothing_was_sent=True)
            connection = upstream.pool.take(careful=not request.repeatable)
            if connection is None:
                connection = await self._connection(upstream, until - now)
                now = self._monotonic()
            remaining = (until if exchange.ends_with_attempt else request.deadline) - now
            head = request.head(upstream.authority, remaining, self._hops)
            exchange.start(connection, head, request.body, to_head=request.method == "HEAD", seconds=until - now)
            try:
                await exchange.answered()
            except asyncio.CancelledError:
                await exchange.close()
                raise
            if not 200 <= exchange.status < 300 or self._signature not in exchange.fields:
                await self._accept(exchange, upstream)
        except http1.ConnectionFault as fault:
            raise self.translated(fault, upstream) from fault

    async def _accept(self, exchange: Exchange, upstream: Upstream) -> None:
        """Raise what the answer comes to, when it is not a good one of the service's own."""
        found = service_name.found_in(exchange.fields)
        if found is not None and found != self._signature[1]:
            await exchange.close()
            raise WrongService(found.decode("latin-1"), service=self.service, instance=upstream.instance.id)
        if not 200 <= exchange.status < 300:
            raise upstream_problem(
                exchange.status,
                exchange.fields,
                await exchange.rest(_PROBLEM_LIMIT),
                service=self.service,
                instance=upstream.instance.id,
            )

    def _failed(
        self, request: CallRequest, chosen: tuple[Upstream, Permit], status: int, began: float, error: CallError
    ) -> None:
        """Tell everyone who learns from an attempt that it brought no good answer, and whether that is a failure."""
        upstream, permit = chosen
        seconds = self._monotonic() - began
        if isinstance(error, UpstreamProblem) and error.status < 500:
            upstream.answered(permit, seconds)
        elif isinstance(error, CallTimeout) and (error.nothing_was_sent or seconds < request.attempt_timeout / 2):
            upstream.came_to_nothing(permit, seconds)  # it had no fair chance
        else:
            upstream.failed(permit, seconds, penalty=request.attempt_timeout)
            if isinstance(error, WrongService):
                self.upstreams.lose(upstream)
            self._rechecks.look()
        if self.observers:
            self._tell_observers(request, upstream, status, seconds, error)

    def _tell_observers(
        self, request: CallRequest, upstream: Upstream, status: int, seconds: float, error: CallError | None
    ) -> None:
        attempt = Attempt(
            self.service,
            upstream.instance.id,
            request.method,
            request.target,
            len(request.tried),
            status,
            seconds,
            error,
            request.traceparent,
        )
        for observe in self.observers:
            observe(attempt)

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
        try:
            return wire.decoder(into).decode(response.body)
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
