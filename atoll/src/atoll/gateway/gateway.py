"""The public door: what every request goes through, as an application of `HttpServer`."""

import itertools
import random
import secrets
from collections.abc import Callable

from atoll.client_address import TrustedProxies
from atoll.clock import Clock
from atoll.gateway.bookkeeping import Bookkeeping
from atoll.gateway.limiting import RequestLimits
from atoll.gateway.own_answers import problem_answer
from atoll.gateway.proxy_exchange import ProxyExchange
from atoll.gateway.routes import RoutingTable
from atoll.gateway.trace import Tracer
from atoll.gateway.upstream_services import UpstreamServices
from atoll.gateway.visit import Visit
from atoll.http1.request_head import RequestFields, RequestHead
from atoll.http1.server_connection import ServerConnection
from atoll.identity.tokens import TokenVerifier
from atoll.observability.logging import get_logger
from atoll.problems import InternalError, Problem, Unavailable

log = get_logger()


class Gateway:
    """Holds what requests share. Each goes its own way in a `ProxyExchange`, and is counted and logged here."""

    def __init__(
        self,
        routes: RoutingTable,
        upstreams: UpstreamServices,
        tokens: TokenVerifier,
        books: Bookkeeping,
        clock: Clock,
        *,
        limits: RequestLimits,
        tracer: Tracer | None = None,
        trusted_proxies: TrustedProxies | None = None,
        max_in_flight: int = 4096,
    ) -> None:
        self.routes = routes
        self.upstreams = upstreams
        self.tokens = tokens
        self.limits = limits
        self.clock = clock
        self._books = books
        self._tracer = tracer or Tracer(ratio=0.0)
        self._trusted_proxies = trusted_proxies or TrustedProxies()
        self._has_proxies = bool(self._trusted_proxies)
        self._max_in_flight = max_in_flight
        self.monotonic = clock.monotonic
        self.chance = random.Random()  # noqa: S311 - jitter is no secret
        self._new_request_id = _request_ids()

    def begin(self, head: RequestHead, connection: ServerConnection) -> ProxyExchange | None:
        """Take a request; None when it is answered already."""
        self._books.began()
        visit = self._visit(head, connection)
        exchange = ProxyExchange(self, visit, connection)
        try:
            self._refuse_overload()
            exchange.begin()
        except Problem as problem:
            exchange.refuse(problem)
        except Exception:
            log.exception("request failed", request_id=visit.request_id.decode("ascii"))
            exchange.refuse(InternalError())
        return None if exchange.finished else exchange

    def refusal(self, problem: Problem, head: RequestHead | None, connection: ServerConnection) -> tuple[bytes, bytes]:
        """Words for what the connection itself refuses; counted and logged here when no exchange did so before."""
        if head is None:
            self._books.began()
            visit = self._visit(RequestHead(b"_OTHER", b"", 1, RequestFields()), connection)
            visit.status = problem.status
            self.finished(visit)
        else:
            visit = self._visit(head, connection)
        return problem_answer(problem, path=visit.shown_path, trace_id=visit.trace_id)

    def finished(self, visit: Visit) -> None:
        """Count and log a request that is over."""
        self._books.over(visit, self.monotonic() - visit.started)

    def _visit(self, head: RequestHead, connection: ServerConnection) -> Visit:
        visit = Visit(head, connection.peer, self.monotonic(), self._new_request_id())
        visit.traceparent = self._tracer.next_hop(head.fields.get(b"traceparent"))
        if self._has_proxies:
            visit.believe(self._trusted_proxies)
        return visit

    def _refuse_overload(self) -> None:
        if self._books.in_hand > self._max_in_flight:
            raise Unavailable("There are too many requests in hand.")


def _request_ids() -> Callable[[], bytes]:
    """Ids that are unique in the system, and cheap: a random start for the process, and a count."""
    process = secrets.token_hex(6).encode("ascii")
    count = itertools.count(1)
    return lambda: b"%b-%x" % (process, next(count))
