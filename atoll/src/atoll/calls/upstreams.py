"""The instances of one service as its callers hold them: each with its connections, its breaker, its latency."""

import asyncio
import random
from collections.abc import Callable, Collection, Sequence

from atoll.calls.ejection import most_ejected
from atoll.calls.latency import Latency
from atoll.calls.load_balancer import LoadBalancer, PowerOfTwoChoices
from atoll.clock import Clock, SystemClock
from atoll.discovery.directory import Directory
from atoll.discovery.instance import ServiceInstance
from atoll.http1.pool import ConnectionPool
from atoll.observability.logging import get_logger
from atoll.resilience.circuit_breaker import (
    DEFAULT_CIRCUIT_BREAKER,
    CircuitBreaker,
    CircuitBreakerPolicy,
    CircuitState,
    Permit,
    StateChange,
)

_NOT_EJECTED = frozenset((CircuitState.CLOSED, CircuitState.DISABLED))
_OUT_BY_ITSELF = frozenset((CircuitState.OPEN, CircuitState.HALF_OPEN))

log = get_logger()


class Upstream:
    """An instance, our connections to it, and what we know of it."""

    __slots__ = ("_monotonic", "authority", "breaker", "instance", "latency", "lost", "pool")

    def __init__(self, instance: ServiceInstance, pool: ConnectionPool, breaker: CircuitBreaker, clock: Clock) -> None:
        self.instance = instance
        self.pool = pool
        self.breaker = breaker
        self.latency = Latency()
        self.lost = False
        """Somebody else answers there: it is asked nothing more, alone or not."""
        self.authority = instance.url.removeprefix("http://")
        """What the Host header says."""
        self._monotonic = clock.monotonic

    def __repr__(self) -> str:
        lost = "lost, " if self.lost else ""
        return f"<Upstream {self.instance.id} {lost}{self.breaker.state}, {self.latency!r}, {self.pool!r}>"

    @property
    def in_flight(self) -> int:
        """Calls that hold a connection, or wait for one."""
        return self.pool.in_flight

    @property
    def ejected(self) -> bool:
        """Whether it is left out because it fails, or let in only for probes."""
        return self.breaker.state not in _NOT_EJECTED

    @property
    def permitted(self) -> bool:
        """Whether it may be asked now."""
        return not self.lost and self.breaker.permits

    def load(self) -> float:
        """Seconds that one more call might take: the latency once for each call in flight, and for itself.

        One that has not answered yet counts a second for each call in flight, so that the first call finds
        out before others follow (Finagle's peak EWMA has such a penalty too).
        """
        latency = self.latency.at(self._monotonic())
        in_flight = self.pool.in_flight
        return latency * (in_flight + 1) if latency else float(in_flight)

    def answered(self, permit: Permit, seconds: float, now: float | None = None) -> None:
        """A call went well, or failed through no fault of the instance's; `now`, if you have just asked the clock."""
        now = self._monotonic() if now is None else now
        self.latency.observe(seconds, now)
        self.breaker.succeeded(permit, seconds, now)

    def failed(self, permit: Permit, seconds: float, *, penalty: float) -> None:
        """A call failed. For the choice of instances it took `penalty` seconds: quick failures must not attract."""
        now = self._monotonic()
        self.latency.observe(max(seconds, penalty), now)
        self.breaker.record(permit, failed=True, seconds=seconds, now=now)

    def came_to_nothing(self, permit: Permit, seconds: float = 0.0) -> None:
        """A call ended in a way that says nothing of whether the instance works, such as a cancellation.

        For the choice of instances it took `seconds`, if that is longer than usual: one that hangs must not attract
        calls because nobody waits for its answers.
        """
        now = self._monotonic()
        if seconds > self.latency.at(now):
            self.latency.observe(seconds, now)
        self.breaker.release(permit)


class Upstreams:
    """Follows the directory: pools for instances that appear, and none for those that are gone.

    An instance that is gone answers what it was asked before; it is asked nothing more. One that fails is
    ejected by its breaker, as long as not too many are (`most_ejected`); it then stays in, and goes on being
    judged. `on_change` hears of every change of a breaker's state.
    """

    def __init__(
        self,
        service: str,
        directory: Directory,
        *,
        connect_timeout: float,
        max_connections: int,
        circuit_breaker: CircuitBreakerPolicy = DEFAULT_CIRCUIT_BREAKER,
        load_balancer: LoadBalancer | None = None,
        on_change: Callable[[StateChange], None] | None = None,
        clock: Clock | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.service = service
        self.ejections = 0
        """How often an instance was ejected so far; never goes back."""
        self._directory = directory
        self._connect_timeout = connect_timeout
        self._max_connections = max_connections
        self._breaker_policy = circuit_breaker
        self._balancer = load_balancer or PowerOfTwoChoices(chance)
        self._on_change = on_change
        self._clock = clock or SystemClock()
        self._chance = chance
        self._known: Sequence[ServiceInstance] = ()
        self._upstreams: list[Upstream] = []
        self._leaving: list[ConnectionPool] = []
        self._some_are_out = False

    def __repr__(self) -> str:
        return f"<Upstreams {self.service} {self._upstreams!r}>"

    def current(self) -> Sequence[Upstream]:
        """Every instance that is known now, in the directory's order; empty when none is."""
        instances = self._directory.instances(self.service)
        if instances is not self._known:
            self._follow(instances)
        return self._upstreams

    def permitted(self) -> Sequence[Upstream]:
        """Those that may be asked now."""
        upstreams = self.current()
        return [upstream for upstream in upstreams if upstream.permitted] if self._some_are_out else upstreams

    def choose(self, tried: Collection[Upstream] = ()) -> tuple[Upstream, Permit] | None:
        """The instance for a call, another than those `tried` if there is one, with the permit of its breaker.

        None when no instance may be asked now. Tell the outcome with the permit: `answered`, `failed` or
        `came_to_nothing`, once.
        """
        candidates = self.current()
        if self._some_are_out or tried:
            candidates = self._left(tried)
        if not candidates:
            return None
        chosen = candidates[0] if len(candidates) == 1 else self._balancer.choose(candidates)
        permit = chosen.breaker.try_acquire()
        return None if permit is None else (chosen, permit)

    def _left(self, tried: Collection[Upstream]) -> Sequence[Upstream]:
        """Those that may be asked now, and of them those that were not tried yet, if there are any."""
        permitted = self.permitted()
        return [upstream for upstream in permitted if upstream not in tried] or permitted

    def lose(self, upstream: Upstream) -> None:
        """Somebody else answers at its address: leave it out until it is found there again."""
        upstream.lost = self._some_are_out = True
        log.warning("another service answers there", service=self.service, instance=upstream.instance.url)

    def find_again(self, upstream: Upstream) -> None:
        """It is there again."""
        upstream.lost = False
        self._look_who_is_out()

    async def close(self) -> None:
        """Close every connection; answers under way are lost."""
        pools = [*self._leaving, *(upstream.pool for upstream in self._upstreams)]
        await asyncio.gather(*(pool.close() for pool in pools))

    def _follow(self, instances: Sequence[ServiceInstance]) -> None:
        before = {upstream.instance: upstream for upstream in self._upstreams}
        self._known = instances
        self._upstreams = [
            before.pop(instance) if instance in before else self._open(instance) for instance in instances
        ]
        self._leaving = [pool for pool in self._leaving if not pool.closed]
        for upstream in before.values():
            upstream.pool.drain()
            self._leaving.append(upstream.pool)
        self._let_in_surplus()
        self._look_who_is_out()

    def _open(self, instance: ServiceInstance) -> Upstream:
        pool = ConnectionPool(
            instance.host,
            instance.port,
            connect_timeout=self._connect_timeout,
            max_connections=self._max_connections,
        )
        breaker = CircuitBreaker(
            self._breaker_policy,
            name=instance.id,
            may_open=self._may_eject,
            on_change=self._changed,
            clock=self._clock,
            chance=self._chance,
        )
        return Upstream(instance, pool, breaker, self._clock)

    def _may_eject(self) -> bool:
        return self._ejected() < most_ejected(len(self._upstreams))

    def _ejected(self) -> int:
        return sum(upstream.ejected for upstream in self._upstreams)

    def _let_in_surplus(self) -> None:
        """With fewer instances fewer may be out: those whose time ends first come back."""
        surplus = self._ejected() - most_ejected(len(self._upstreams))
        if surplus > 0:
            out = [
                each for each in self._upstreams if each.breaker.state in {CircuitState.OPEN, CircuitState.HALF_OPEN}
            ]
            for upstream in sorted(out, key=lambda each: each.breaker.open_until)[:surplus]:
                upstream.breaker.reset()

    def _changed(self, change: StateChange) -> None:
        self._look_who_is_out()
        if change.after is CircuitState.OPEN:
            self.ejections += 1
        log.warning(
            "circuit breaker changed",
            service=self.service,
            instance=change.name,
            before=change.before.value,
            after=change.after.value,
            reason=change.reason,
        )
        if self._on_change is not None:
            self._on_change(change)

    def _look_who_is_out(self) -> None:
        self._some_are_out = any(each.lost or each.ejected for each in self._upstreams)
