"""Looking after instances that are left out: are they back?"""

import asyncio
import contextvars
import random

from atoll.calls import service_name
from atoll.calls.exchange import TimedOut, WholeExchange
from atoll.calls.expiries import Expiries
from atoll.calls.upstreams import Upstream, Upstreams
from atoll.clock import Clock
from atoll.http1.errors import ConnectionFault
from atoll.resilience.circuit_breaker import CircuitState

INTERVAL = 1.0
"""Seconds between two looks, give or take a quarter."""

PATIENCE = 1.0
"""Seconds that a look may take."""

HEALTH_PATH = "/health"

_BODY_LIMIT = 64 * 1024


class Rechecks:
    """Asks instances that are out for their health, once a second, for as long as any is out.

    One that had stopped answering and answers again may be probed at once, without waiting for the end of its
    open time (Envoy un-ejects after a passing active check, too). One that answered its health check all the
    while fails in another way, and waits. One where another service had answered is back when it names itself
    rightly, or not at all.
    """

    def __init__(self, upstreams: Upstreams, clock: Clock, chance: random.Random) -> None:
        self._upstreams = upstreams
        self._clock = clock
        self._chance = chance
        self._expected_name = upstreams.service.encode("ascii")
        self._silent: set[Upstream] = set()
        self._expiries = Expiries()
        self._task: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Begin to look, if anyone is out and nobody looks yet."""
        if (self._task is None or self._task.done()) and self._out():
            # in a context of its own: no request's deadline is ours
            self._task = asyncio.create_task(self._look(), name="recheck instances", context=contextvars.Context())

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._expiries.close()

    async def _look(self) -> None:
        while self._out():
            await self._clock.sleep(INTERVAL * self._chance.uniform(0.75, 1.25))
            await asyncio.gather(*(self._check(upstream) for upstream in self._out()))
        self._silent.clear()

    def _out(self) -> list[Upstream]:
        return [each for each in self._upstreams.current() if each.lost or each.breaker.state is CircuitState.OPEN]

    async def _check(self, upstream: Upstream) -> None:
        answer = await self._ask(upstream)
        if answer is None or answer.status >= 500:
            self._silent.add(upstream)
        elif service_name.found_in(answer.fields) in {None, self._expected_name}:
            self._back(upstream)

    def _back(self, upstream: Upstream) -> None:
        if upstream.lost:
            self._upstreams.find_again(upstream)
        if upstream in self._silent:
            self._silent.discard(upstream)
            upstream.breaker.let_probe()

    async def _ask(self, upstream: Upstream) -> WholeExchange | None:
        head = f"GET {HEALTH_PATH} HTTP/1.1\r\nHost: {upstream.authority}\r\n\r\n".encode("ascii")
        try:
            async with asyncio.timeout(PATIENCE):
                connection = upstream.pool.take() or await upstream.pool.acquire()
                exchange = WholeExchange(self._expiries, _BODY_LIMIT)
                exchange.start(connection, head, None, to_head=False, seconds=PATIENCE)
                try:
                    await exchange.answered()
                finally:
                    exchange.abandon()
        except (ConnectionFault, TimedOut, TimeoutError):
            return None
        return exchange
