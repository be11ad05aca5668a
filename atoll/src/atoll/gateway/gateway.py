"""The public door: what every request goes through, as an application of `HttpServer`."""

import itertools
import math
import random
import secrets

from atoll.client_address import TrustedProxies
from atoll.clock import Clock
from atoll.gateway.bookkeeping import Bookkeeping
from atoll.gateway.caller import Caller
from atoll.gateway.overload import Overload
from atoll.gateway.own_answers import problem_answer
from atoll.gateway.proxy_exchange import ProxyExchange
from atoll.gateway.rules import Rules
from atoll.gateway.trace import Tracer
from atoll.gateway.visit import Visit
from atoll.http1.request_head import RequestFields, RequestHead
from atoll.http1.server_connection import ServerConnection
from atoll.identity.tokens import TokenVerifier
from atoll.observability.logging import get_logger
from atoll.problems import Problem

log = get_logger()


class Gateway:
    """Holds what requests share. Each goes its own way in a `ProxyExchange`, and is counted and logged here.

    `rules` may be replaced at any moment: a request keeps to those that it began under.
    """

    def __init__(
        self,
        rules: Rules,
        tokens: TokenVerifier,
        books: Bookkeeping,
        clock: Clock,
        *,
        overload: Overload | None = None,
        tracer: Tracer | None = None,
        trusted_proxies: TrustedProxies | None = None,
        max_in_flight: int = 4096,
    ) -> None:
        self.rules = rules
        self.tokens = tokens
        self.clock = clock
        self.monotonic = clock.monotonic
        self.chance = random.Random()  # noqa: S311 - jitter is no secret
        self.overload = overload or Overload(math.inf)
        self.books = books
        self._tracer = tracer or Tracer(ratio=0.0)
        self._trusted_proxies = trusted_proxies or TrustedProxies()
        self.max_in_flight = max_in_flight
        self._process = secrets.token_hex(6).encode("ascii")
        self._numbers = itertools.count(1)

    def begin(self, head: RequestHead, connection: ServerConnection) -> ProxyExchange | None:
        """Take a request; None when it is answered already."""
        self.books.in_hand += 1
        exchange = ProxyExchange(self, self._visit(head, connection.peer), connection)
        try:
            exchange.begin()
        except Problem as problem:
            exchange.refuse(problem)
        except Exception:
            exchange.fail()
        return None if exchange.finished else exchange

    def refusal(self, problem: Problem, head: RequestHead | None, connection: ServerConnection) -> tuple[bytes, bytes]:
        """Words for what the connection itself refuses; counted and logged here when no exchange did so before."""
        if head is None:
            self.books.in_hand += 1
            visit = self._visit(RequestHead(b"_OTHER", b"", 1, RequestFields()), connection.peer)
            visit.status = problem.status
            self.finished(visit)
        else:
            visit = self._visit(head, connection.peer)
        return problem_answer(problem, path=visit.shown_path, trace_id=visit.trace_id)

    def finished(self, visit: Visit, now: float | None = None) -> None:
        """Count and log a request that is over; `now`, if you have just asked the clock."""
        visit.ended = self.monotonic() if now is None else now
        self.books.over(visit)

    def _visit(self, head: RequestHead, peer: str) -> Visit:
        caller = head.fields.known
        if not isinstance(caller, Caller):
            caller = head.fields.known = Caller(head, peer, self._trusted_proxies)
        # unique in the system, and cheap: a random name for the process, and a count
        request_id = b"%b-%x" % (self._process, next(self._numbers))
        return Visit(head, caller, self.monotonic(), request_id, self._tracer.next_hop(caller.traceparent))
