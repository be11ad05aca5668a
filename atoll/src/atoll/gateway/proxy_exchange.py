"""One request through the gateway, from its head to the end of its answer.

    begin → _identify → _authorize → _admit → _attempt → _send        the request on its way
    on_head → on_body → on_end                                        the answer on its way back

Each rung has one concern and calls the next. A request whose token is known and for which a connection is at hand
goes all the way at once; one that has to wait does so in a task, while the client's body is held back. What cannot
go on is a `Problem`, and is answered in one place, `refuse`.
"""

import asyncio
import math
from collections.abc import Coroutine
from time import monotonic
from typing import TYPE_CHECKING

from atoll.calls.retry import DEFAULT_RETRY
from atoll.calls.retry import HEADER as CALLER_RETRIES
from atoll.calls.upstreams import Upstream
from atoll.gateway.limiting import CountedLimit
from atoll.gateway.overload import FEW, LONGEST_REST, Overload
from atoll.gateway.own_answers import health_answer, problem_answer
from atoll.gateway.paths import below_prefix, canonical
from atoll.gateway.rewriting import AnotherServiceAnswered, answer_fields, remaining_line
from atoll.gateway.routes import Route
from atoll.gateway.rules import Way
from atoll.gateway.settings import DEFAULT_LIMIT
from atoll.gateway.upstream_services import UpstreamService
from atoll.gateway.visit import CLIENT_GONE, Visit
from atoll.http1.client_connection import ClientConnection
from atoll.http1.errors import ConnectionFault, InvalidAnswer
from atoll.http1.messages import LAST_CHUNK, Fields, chunk, find
from atoll.http1.request_head import RequestHead
from atoll.http1.server_connection import ServerConnection
from atoll.identity.principal import Principal
from atoll.observability.logging import get_logger
from atoll.problems import (
    BadGateway,
    BadRequest,
    Forbidden,
    GatewayTimeout,
    InternalError,
    MethodNotAllowed,
    NotFound,
    Problem,
    Unauthenticated,
    Unavailable,
)
from atoll.resilience.circuit_breaker import Permit

if TYPE_CHECKING:
    from atoll.gateway.gateway import Gateway

REPEATABLE_METHODS = frozenset((b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"))
"""Idempotent by their definition (RFC 9110, section 9.2.2); others are so with an Idempotency-Key."""

REPEATABLE_BODY = 64 * 1024
"""Bytes of a request's body that are kept, so that it can be sent once more, or only when it is whole."""

GOOD_FOR = 0.1
"""Seconds after which a token that came again on the same connection is looked at again: is it still good?"""

LONGEST_PAUSE = DEFAULT_RETRY.max_backoff
"""Seconds of `Retry-After` that a client is made to wait; an answer that asks for more is handed to it instead."""

_HEALTH = b"/health"
_WANTED_METHOD = b"access-control-request-method"
_WANTED_FIELDS = b"access-control-request-headers"
_WE_RETRY = b"%b: yes\r\n" % CALLER_RETRIES.lower().encode("ascii")
_WITHOUT_BODY = frozenset((b"GET", b"HEAD", b"DELETE", b"OPTIONS"))

_TOO_MUCH_TO_DO = [
    Unavailable("There is too much to do at the moment.", retry_after=max(1, seconds))
    for seconds in range(math.ceil(LONGEST_REST) + 1)
]
"""By the whole seconds of rest; made beforehand, because refusing should be cheap."""

log = get_logger()


class ProxyExchange:
    """The gateway's part in one request: `Exchange` to the client's connection, `Receiver` to upstream's."""

    __slots__ = (
        "_allowed",
        "_answer_began",
        "_answer_head",
        "_attempt_began",
        "_bytes_seen",
        "_client",
        "_connection",
        "_gateway",
        "_gathering",
        "_holding",
        "_kept_body",
        "_kept_size",
        "_limit",
        "_permit",
        "_repeatable",
        "_request_sent",
        "_request_whole",
        "_retry",
        "_route",
        "_sending",
        "_service",
        "_since",
        "_target",
        "_tried",
        "_visit",
        "_waiting",
        "_whole_since",
        "finished",
    )

    _route: Route
    _limit: CountedLimit
    _service: UpstreamService

    def __init__(self, gateway: "Gateway", visit: Visit, client: ServerConnection) -> None:
        self._gateway = gateway
        self._visit = visit
        self._client = client
        self._target = b""
        self._connection: ClientConnection | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._kept_body: list[bytes] | None = []
        self._kept_size = 0
        self._gathering = False
        self._sending = False
        self._holding = False
        self._tried: tuple[Upstream, ...] = ()
        self._permit: Permit | None = None
        self._attempt_began = 0.0
        self._repeatable = False
        self._request_sent = False
        self._request_whole = not visit.head.has_body
        self._answer_began = False
        self._answer_head: tuple[int, bytes, int | None] | None = None
        self._allowed = math.inf
        self._since: float | None = None
        self._whole_since: float | None = None
        self._bytes_seen = 0
        self.finished = False

    # The request on its way.

    def begin(self) -> None:
        """Find the way for the request, and begin to follow it. Raises the `Problem` that ends it at once."""
        visit = self._visit
        head = visit.head
        path, mark, query = head.target.partition(b"?")
        if path == _HEALTH:
            self._answer_health()
            return
        gateway = self._gateway
        in_hand = gateway.books.in_hand
        if in_hand > gateway.max_in_flight:
            self.refuse(Unavailable("There are too many requests in hand."))
            return
        way = gateway.rules.known.get((head.method, path)) or self._find_way(path)
        if way is None:
            self._answer_preflight(path)
            return
        visit.path, self._target, self._route, self._limit, self._service = way
        visit.path_is_plain = True
        visit.template = self._route.template
        if mark:
            self._target += mark + query
        if self._route.cors is not None:
            visit.cors_fields = self._route.cors.fields(visit.caller.origin)
        overload = gateway.overload
        if (overload.pressure or (in_hand > FEW and monotonic() > overload.late_at)) and self._is_refused(overload):
            self.refuse(_TOO_MUCH_TO_DO[math.ceil(overload.rest)])
            return
        if head.has_body:
            self._client.limit_body(self._route.body_limit)
        if visit.caller.token:
            self._identify()
        else:
            self._authorize(None)

    def _is_refused(self, overload: Overload) -> bool:
        """Whether there is no time for the request. A connection on which a proxy of ours brings others never rests."""
        alone = self._visit.caller.address == self._client.peer
        return overload.refuses(self._route.priority, self._client if alone else None)

    def _find_way(self, path: bytes) -> Way | None:
        """The way for a path that was not asked for before; None for a browser that asks what a page may do there."""
        rules, visit = self._gateway.rules, self._visit
        try:
            return rules.way(visit.head.method, path)
        except BadRequest:
            self._client.close_after_answer()
            raise
        except Problem:
            if visit.head.method == b"OPTIONS" and _WANTED_METHOD in visit.head.fields:
                return None
            rules.limits.named(DEFAULT_LIMIT).count(1, visit)
            raise

    def _identify(self) -> None:
        """Find out who asks. A token that was not seen before is only looked at for an address that may still ask."""
        visit = self._visit
        caller = visit.caller
        verified = caller.verified
        if verified is None or visit.started >= caller.good_until:
            caller.verified = verified = self._gateway.tokens.find(caller.token)
            caller.good_until = visit.started + GOOD_FOR
        if verified is None:
            self._identify_stranger(caller.token)
        else:
            self._authorize(verified.principal)

    def _identify_stranger(self, token: str) -> None:
        self._limit.check_address(self._route.cost, self._visit)
        if self._route.needs_token:
            self._wait_for(self._verify(token))
        else:
            self._authorize(self._gateway.tokens.verify_now(token))

    async def _verify(self, token: str) -> None:
        try:
            principal = await self._gateway.tokens.verify(token)
        except Unauthenticated:
            self._authorize(None)
        else:
            self._authorize(principal)

    def _authorize(self, principal: Principal | None) -> None:
        """Let pass whom the limit and the rule let pass."""
        route, visit = self._route, self._visit
        visit.principal = principal
        if self._limit.is_shared and not self._limit.is_ready(route.cost, visit):
            self._wait_for(self._count_together())
        else:
            self._admit()

    async def _count_together(self) -> None:
        await self._limit.prepare(self._route.cost, self._visit)
        self._admit()

    def _admit(self) -> None:
        route, visit = self._route, self._visit
        principal = visit.principal
        self._limit.count(route.cost, visit)
        if route.needs_token and principal is None:
            raise Unauthenticated
        if route.role and (principal is None or not principal.has_role(route.role)):
            raise Forbidden(f"This needs the role {route.role}.")
        self._repeatable = (visit.head.method in REPEATABLE_METHODS or visit.caller.repeats) and (
            visit.head.content_length or 0
        ) <= REPEATABLE_BODY
        self._service.retry_budget.deposit(visit.started)
        if self._request_whole or self._takes_a_sender():
            self._attempt()
        else:
            self._gather()

    def _takes_a_sender(self) -> bool:
        """Whether the body may go on as it comes, of which the service bears only so many at a time."""
        self._sending = self._service.take_sender()
        return self._sending

    def _gather(self) -> None:
        """Wait for the body, or much of it: slow senders must not hold connections that others wait for."""
        self._gathering = True
        self._allow(math.inf)
        self._client.resume_body()

    def _give_sender_back(self) -> None:
        if self._sending:
            self._sending = False
            self._service.give_sender_back()

    def _stop_gathering(self) -> None:
        self._gathering = False
        self._attempt_now()

    def _attempt(self) -> None:
        """Choose an instance, and send it the request as soon as there is a connection."""
        visit = self._visit
        visit.attempts += 1
        upstream, self._permit = self._service.upstreams.choose(self._tried) or self._service.nobody()
        self._tried += (upstream,)
        visit.upstream = upstream
        self._attempt_began = self._gateway.monotonic()
        connection = upstream.pool.take(careful=not self._repeatable)
        if connection is not None:
            self._send(upstream, connection)
        elif upstream.pool.waiting >= self._route.max_waiting:
            raise self._too_many_wait()
        else:
            self._wait_for(self._connect(upstream))
            self._allow(self._route.max_wait)

    async def _connect(self, upstream: Upstream) -> None:
        try:
            connection = await upstream.pool.acquire(careful=not self._repeatable)
        except ConnectionFault as fault:
            self._attempt_failed()
            self._try_again(self._unreachable(), fault)
        else:
            self._send(upstream, connection)

    def _send(self, upstream: Upstream, connection: ClientConnection) -> None:
        """Send the head, and what is kept of the body; the rest follows as it comes."""
        self._connection = connection
        self._request_sent = True
        data = self._written_head(upstream.authority.encode("ascii"))
        if self._kept_body:
            data += b"".join(self._kept_body)
            self._keep_little()
        to_head = self._visit.head.method == b"HEAD"
        if self._request_whole:
            self._allow(self._route.attempt_timeout)
            connection.start(data, self, to_head=to_head)
            return
        connection.start(data, self, to_head=to_head, more=True)
        self._watch_attempt()
        if not connection.sending_paused:
            self._client.resume_body()

    def _written_head(self, authority: bytes) -> bytes:
        visit = self._visit
        head = visit.head
        return b"".join(
            (
                head.method, b" ", self._target, b" HTTP/1.1\r\n"
                b"host: ", authority, b"\r\n",
                visit.caller.lines,
                b"traceparent: ", visit.traceparent, b"\r\n"
                b"x-request-id: ", visit.request_id, b"\r\n",
                self._route.remaining if self._whole_since is None else self._remaining(self._whole_since),
                _WE_RETRY if self._repeatable else b"",
                b"" if head.content_length == 0 and head.method in _WITHOUT_BODY else _framing(head),
                b"\r\n",
            )
        )  # fmt: skip

    # What the client's connection tells.

    def body_received(self, data: bytes) -> None:
        self._pass_on(chunk(data) if self._visit.head.chunked else data)

    def body_complete(self) -> None:
        self._request_whole = True
        self._give_sender_back()
        if self._visit.head.chunked:
            self._pass_on(LAST_CHUNK)
        if self._gathering:
            self._stop_gathering()
        elif self._connection is not None:
            self._connection.finish(self)
            self._attempt_began = self._gateway.monotonic()
            self._watch_attempt()

    def pause_answer(self) -> None:
        if self._connection is not None:
            self._connection.pause_reading(self)
            self._holding = True
            self._service.hold(self)

    def resume_answer(self) -> None:
        self._hold_no_more()
        if self._connection is not None:
            self._connection.resume_reading(self)

    def cut_slow_reader(self) -> None:
        self._warn("slow reader cut", f"too many wait for answers of the {self._route.service} service")
        self._client.abort()

    def _hold_no_more(self) -> None:
        if self._holding:
            self._holding = False
            self._service.let_go(self)

    def drain(self) -> None:
        """End an endless answer where it is, whole: its client knows how to come back."""
        if self._answer_began and self._route.endless and self._client.answer_is_endless:
            self._finish()
            self._client.finish_answer()

    def abandoned(self, problem: Problem | None) -> None:
        self._visit.status = CLIENT_GONE if problem is None else problem.status
        self._finish()

    def check_time(self, now: float) -> None:
        """Times are reckoned from the first look on: a request that is answered by then never asks for the time."""
        if self._whole_since is None and self._request_whole:
            self._whole_since = now
        if self._since is None or self._bytes_seen != self._visit.answer_bytes:
            self._since = now
            self._bytes_seen = self._visit.answer_bytes
        elif now - self._since >= self._allowed or self._is_over(now):
            self._time_is_up(now)

    # The answer on its way back, as upstream's connection tells it.

    def on_head(self, status: int, fields: Fields) -> None:
        visit = self._visit
        lines, length, service = answer_fields(fields)
        if service is not None and service != self._service.name_in_answers:
            self._another_service_answered(service)
            return
        if status < 500:
            permit, self._permit = self._permit, None
            if permit is not None:
                self._upstream.answered(permit, self._gateway.monotonic() - self._attempt_began)
        else:
            self._attempt_failed()
            if status == Unavailable.status and self._comes_back_later(fields):
                return
        self._answer_began = True
        visit.status = status
        self._answer_head = status, _our_fields(visit, lines), length
        if self._connection is not None:
            self._connection.after_read = self._send_head
        self._allow(self._route.silence_timeout)

    def on_whole(self, status: int, fields: Fields, body: bytes, reusable: bool) -> None:
        self._connection = None
        if status < 500 and self._permit is not None:
            self._answer_whole(self._permit, status, fields, body)
            return
        self.on_head(status, fields)
        if self._answer_head is not None:
            self._visit.answer_bytes = len(body)
            self._send_head(body)
            self.on_end(reusable)

    def _answer_whole(self, permit: Permit, status: int, fields: Fields, body: bytes) -> None:
        """What `on_head`, `on_body` and `on_end` do, for an answer that is good, with one look at the clock."""
        try:
            lines = b"".join(map(self._service.passed_on.__getitem__, fields))
        except AnotherServiceAnswered as error:
            self._another_service_answered(error.name)
            return
        visit = self._visit
        now = self._gateway.monotonic()
        self._permit = None
        self._tried[-1].answered(permit, now - self._attempt_began, now)
        visit.status = status
        visit.answer_bytes = len(body)
        self._finish(now)
        self._client.answer(status, _our_fields(visit, lines), body)

    def on_body(self, data: bytes) -> None:
        self._visit.answer_bytes += len(data)
        if self._answer_head is None:
            self._client.write(data)
        else:
            self._send_head(data)

    def _send_head(self, first: bytes = b"") -> None:
        """Send the answer's head, with what came of its body together with it."""
        head, self._answer_head = self._answer_head, None
        if head is not None:
            self._client.start_answer(*head, first)
        if self._route.endless and self._client.draining:
            self.drain()

    def on_end(self, reusable: bool) -> None:
        self._connection = None
        if self._answer_head is not None:
            self._send_head()
        self._finish()
        self._client.finish_answer()

    def on_lost(self, error: ConnectionFault) -> None:
        self._connection = None
        if self._answer_began:
            self._cut(str(error))
            return
        self._attempt_failed()
        if isinstance(error, InvalidAnswer):
            self._warn("invalid answer", error)
            self.refuse(BadGateway(f"The {self._route.service} service gave an answer that makes no sense."))
        else:
            self._try_again(BadGateway(f"The {self._route.service} service broke off without an answer."), error)

    def pause_sending(self) -> None:
        self._client.pause_body()
        self._watch_attempt()

    def resume_sending(self) -> None:
        self._client.resume_body()
        self._watch_attempt()

    # When something is in the way.

    def refuse(self, problem: Problem) -> None:
        """End with a problem as the answer."""
        if self.finished:
            return
        visit = self._visit
        visit.status = problem.status
        fields, body = problem_answer(problem, path=visit.shown_path, trace_id=visit.trace_id)
        visit.answer_bytes = len(body)
        self._finish()
        self._client.answer(problem.status, _our_fields(visit, fields), body)

    def _another_service_answered(self, name: bytes) -> None:
        """A port was taken over: what came is no answer to our client, and nobody is sent there again."""
        upstream = self._upstream
        self._attempt_failed()
        self._service.lose(upstream)
        self._let_go()
        found = name.decode("latin-1")
        self._try_again(BadGateway(f"The {self._route.service} service is not where it was."), f"{found!r} answered")

    def _comes_back_later(self, fields: Fields) -> bool:
        """Whether an answer of 503 is let go, because the request is sent again: after its `Retry-After`, if any."""
        pause = _retry_after(fields)
        if not self._repeatable or pause > LONGEST_PAUSE or not self._may_try_again():
            return False
        self._let_go()
        self._warn("attempt failed", "the service is unavailable")
        self._pause(pause)
        return True

    def fail(self) -> None:
        """Something of our own went wrong; the error is being handled now."""
        log.exception("request failed", request_id=self._visit.request_id.decode("ascii"))
        self.refuse(InternalError())

    def _try_again(self, problem: Problem, fault: object = None) -> None:
        """Make another attempt a little later if that can do no harm, or else end with `problem`."""
        self._warn("attempt failed", fault or problem)
        if self._may_try_again():
            self._pause()
        else:
            self.refuse(problem)

    def _may_try_again(self) -> bool:
        """Whether nothing was sent yet, or all of it can be acted on twice; and the budget has a retry left."""
        harmless = not self._request_sent or self._repeatable
        possible = harmless and self._kept_body is not None and len(self._tried) < DEFAULT_RETRY.max_attempts
        return possible and self._service.retry_budget.try_withdraw()

    def _pause(self, at_least: float = 0.0) -> None:
        """Rest before the next attempt, for a random time."""
        self._client.pause_body()
        self._allow(math.inf)
        self._service.retries += 1
        pause = max(at_least, DEFAULT_RETRY.pause(len(self._tried), self._gateway.chance))
        self._retry = asyncio.get_running_loop().call_later(pause, self._attempt_now)

    def _attempt_now(self) -> None:
        self._retry = None
        try:
            self._attempt()
        except Problem as problem:
            self.refuse(problem)

    def _time_is_up(self, now: float) -> None:
        if self._answer_began:
            if self._client.answer_paused:
                self._since = now  # the client's connection has an eye on the client
            else:
                self._cut(f"nothing came for {self._route.silence_timeout:g} s")
        elif not self._visit.attempts:
            self.refuse(Unavailable("Access tokens cannot be checked at the moment."))
        elif self._connection is None:
            self.refuse(self._too_many_wait() if self._retry is None else self._unreachable())
        else:
            self._judge_slowness()
            self._let_go()
            problem = GatewayTimeout(f"The {self._route.service} service did not answer in time.")
            if self._is_over(now):
                self.refuse(problem)
            else:
                self._try_again(problem)

    # What the instance's breaker learns, once for each attempt.

    def _attempt_failed(self) -> None:
        permit, self._permit = self._permit, None
        if permit is not None:
            seconds = self._gateway.monotonic() - self._attempt_began
            self._service.failed(self._upstream, permit, seconds, penalty=self._route.attempt_timeout)

    def _judge_slowness(self) -> None:
        """Time is up: a fault of the instance's, if it had a fair share of the time."""
        passed = self._gateway.monotonic() - self._attempt_began
        if self._connection is not None and passed >= self._route.attempt_timeout / 2:
            self._attempt_failed()

    @property
    def _upstream(self) -> Upstream:
        return self._tried[-1]

    def _cut(self, reason: str) -> None:
        """Upstream began an answer and did not end it: all that can be done is to break off as well."""
        self._warn("answer cut", reason)
        if self._answer_head is not None:
            self.refuse(BadGateway(f"The {self._route.service} service broke off its answer."))
            return
        self._visit.status = BadGateway.status
        self._finish()
        self._client.cut_answer()

    def _too_many_wait(self) -> Unavailable:
        return Unavailable(f"Too many requests wait for the {self._route.service} service.")

    def _unreachable(self) -> Unavailable:
        return Unavailable(f"The {self._route.service} service cannot be reached now.")

    def _warn(self, event: str, reason: object) -> None:
        visit = self._visit
        log.warning(
            event,
            trace_id=visit.trace_id,
            request_id=visit.request_id.decode("ascii"),
            upstream="" if visit.upstream is None else visit.upstream.instance.url,
            attempt=visit.attempts,
            reason=str(reason),
        )

    # The rest.

    def _answer_health(self) -> None:
        visit = self._visit
        visit.template = "/health"
        if visit.head.method not in {b"GET", b"HEAD"}:
            raise MethodNotAllowed("The gateway's health can only be read.", headers={"Allow": "GET, HEAD"})
        fields, body = health_answer(self._gateway.clock.now())
        visit.status = 200
        visit.answer_bytes = len(body)
        self._finish()
        self._client.answer(200, fields, body)

    def _answer_preflight(self, path: bytes) -> None:
        visit = self._visit
        rules, wanted = self._gateway.rules, visit.head.fields[_WANTED_METHOD]
        below = below_prefix(canonical(path))
        found = None if below is None else rules.routes.preflight(wanted, below)
        rules.limits.named(DEFAULT_LIMIT).count(1, visit)
        if found is None:
            raise NotFound(f"No page may use {visit.shown_path} with this method.")
        cors, methods = found
        fields = cors.preflight(visit.caller.origin, methods, visit.head.fields.get(_WANTED_FIELDS, b""))
        visit.status = 204
        self._finish()
        self._client.answer(204, _our_fields(visit, fields), b"")

    def _wait_for(self, rung: Coroutine[None, None, None]) -> None:
        """Climb down one rung in a task, in bounded time; the client's body stays where it is meanwhile."""
        self._client.pause_body()
        self._allow(self._route.attempt_timeout)
        self._waiting = asyncio.get_running_loop().create_task(self._climb(rung))

    async def _climb(self, rung: Coroutine[None, None, None]) -> None:
        try:
            await rung
        except Problem as problem:
            self.refuse(problem)
        except Exception:
            self.fail()

    def _pass_on(self, piece: bytes) -> None:
        """Send a piece of the body, and keep it if all of the body so far is kept, and is little."""
        if self._kept_body is not None:
            self._kept_size += len(piece)
            self._kept_body.append(piece)
        if self._gathering:
            if self._kept_size >= REPEATABLE_BODY:
                self._stop_gathering()
        elif self._connection is not None:
            self._connection.send(self, piece)
            self._keep_little()

    def _keep_little(self) -> None:
        if self._kept_size > REPEATABLE_BODY:
            self._kept_body = None

    def _watch_attempt(self) -> None:
        """Upstream has its time while it is upstream that we wait for, and not the rest of the request."""
        if not self._answer_began:
            upstreams_turn = self._request_whole or (self._connection is not None and self._connection.sending_paused)
            self._allow(self._route.attempt_timeout if upstreams_turn else math.inf)

    def _allow(self, seconds: float) -> None:
        """Something has to happen within so many seconds from now."""
        self._allowed = seconds
        self._since = None

    def _is_over(self, now: float) -> bool:
        """Whether the time for all attempts together is over."""
        if self._answer_began or self._whole_since is None:
            return False
        return now - self._whole_since >= self._route.total_timeout

    def _remaining(self, since: float) -> bytes:
        passed = asyncio.get_running_loop().time() - since
        return remaining_line(self._route.total_timeout - passed)

    def _let_go(self) -> None:
        """Give up what is under way."""
        if self._permit is not None:
            self._upstream.came_to_nothing(self._permit, self._gateway.monotonic() - self._attempt_began)
            self._permit = None
        if self._connection is not None:
            self._connection.abandon(self)
            self._connection = None
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _finish(self, now: float | None = None) -> None:
        if not self.finished:
            self.finished = True
            if self._sending:
                self._give_sender_back()
            if self._holding:
                self._hold_no_more()
            self._let_go()
            self._gateway.finished(self._visit, now)


def _retry_after(fields: Fields) -> float:
    """The seconds of an answer's `Retry-After`: 0 without one, infinite for a date (no service of ours sends one)."""
    value = find(fields, b"retry-after")
    if value is None:
        return 0.0
    return float(value) if value.isdigit() else math.inf


def _our_fields(visit: Visit, others: bytes) -> bytes:
    """The lines of an answer: those that are ours to set, before `others`."""
    return b"".join((b"x-request-id: ", visit.request_id, b"\r\n", visit.limit_fields, visit.cors_fields, others))


def _framing(head: RequestHead) -> bytes:
    if head.chunked:
        return b"transfer-encoding: chunked\r\n"
    if head.content_length or head.method not in _WITHOUT_BODY:
        return b"content-length: %d\r\n" % (head.content_length or 0)
    return b""
