"""Requests are counted here before anything costly is done for them.

A request counts for the user whom its token proves, and for its client address when it proves nobody. What would go
beyond a limit is refused, and a refusal uses nothing.
"""

import math
from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from atoll.gateway.limits import Limit
from atoll.gateway.visit import Visit
from atoll.limits.limiter import Limiter
from atoll.limits.policy import Decision, LimitPolicy
from atoll.limits.rates import in_words
from atoll.limits.shared_limiter import SharedLimiter
from atoll.problems import TooManyRequests


class CountedLimit:
    """One limit: its policies for addresses and for users, counted with a limiter."""

    __slots__ = ("_by_address", "_by_user", "_limiter", "_shared", "is_shared")

    def __init__(self, limit: Limit, limiter: Limiter) -> None:
        self._limiter = limiter
        self._shared = limiter if isinstance(limiter, SharedLimiter) else None
        self.is_shared = self._shared is not None
        """Whether it may be necessary to ask others: `is_ready` says when, and `prepare` does so."""
        self._by_address = CountedPolicy(limit.address)
        self._by_user = None if limit.user is None else CountedPolicy(limit.user)

    @property
    def policies(self) -> "list[CountedPolicy]":
        """Those that are counted by."""
        return [self._by_address] if self._by_user is None else [self._by_address, self._by_user]

    def is_ready(self, cost: int, visit: Visit) -> bool:
        """Whether `count` can decide now."""
        return self._shared is None or self._shared.is_ready(*self._counted_as(visit), cost)

    async def prepare(self, cost: int, visit: Visit) -> None:
        """Have what `count` needs to decide."""
        if self._shared is not None:
            await self._shared.prepare(*self._counted_as(visit), cost)

    def _counted_as(self, visit: Visit) -> tuple[LimitPolicy, str]:
        counted, principal = self._by_user, visit.principal
        if counted is None or principal is None:
            return self._by_address.policy, visit.caller.network
        return counted.policy, principal.subject

    def count(self, cost: int, visit: Visit) -> None:
        """Let the visit use `cost` units, or raise `TooManyRequests`. Notes in it what its answer says of the limit."""
        counted, principal = self._by_user, visit.principal
        if counted is None or principal is None:
            counted, caller = self._by_address, visit.caller.network
        else:
            caller = principal.subject
        decision = self._limiter.take(counted.policy, caller, cost)
        # the same fields as `Decision.headers`, as lines, for a tenth of the work
        visit.limit_fields = b"%b;r=%d;t=%d\r\n" % (counted.beginning, decision.remaining, math.ceil(decision.reset))
        if not decision.allowed:
            counted.refused += 1
            raise counted.refusal(decision)
        counted.allowed += 1

    def check_address(self, cost: int, visit: Visit) -> None:
        """Raise `TooManyRequests` if the visit could not be counted for its address; uses nothing."""
        if self._limiter.take(self._by_address.policy, visit.caller.network, 0).remaining < cost:
            self.count(cost, visit)


class RequestLimits(Collector):
    """The limits of the settings by name. Counts with `limiter`, and tells the metrics how was decided."""

    def __init__(self, limits: Mapping[str, Limit], limiter: Limiter) -> None:
        self._limits = {name: CountedLimit(limit, limiter) for name, limit in limits.items()}

    def __repr__(self) -> str:
        return f"<RequestLimits {', '.join(self._limits)}>"

    def named(self, name: str) -> CountedLimit:
        """The limit of that name."""
        return self._limits[name]

    def collect(self) -> Iterator[CounterMetricFamily]:
        """For Prometheus."""
        family = CounterMetricFamily(
            "gateway_limit_decisions", "Requests that a limit let pass or refused.", labels=("policy", "decision")
        )
        for limit in self._limits.values():
            for counted in limit.policies:
                family.add_metric((counted.policy.name, "allowed"), counted.allowed)
                family.add_metric((counted.policy.name, "refused"), counted.refused)
        yield family


class CountedPolicy:
    """A policy, what an answer's head says of it, and how often it has decided which way."""

    __slots__ = ("_words", "allowed", "beginning", "policy", "refused")

    def __init__(self, policy: LimitPolicy) -> None:
        self.policy = policy
        self.allowed = 0
        self.refused = 0
        self._words = f"No more than {in_words(policy)} may be asked here"
        name = policy.name.encode("ascii")
        self.beginning = b'ratelimit-policy: "%b";q=%d;w=%d\r\nratelimit: "%b"' % (
            name,
            policy.quota,
            math.ceil(policy.window),
            name,
        )

    def refusal(self, decision: Decision) -> TooManyRequests:
        """What a caller is told who has nothing left."""
        if not math.isfinite(decision.retry_after):
            return TooManyRequests(f"{self._words}, which one like this exceeds.")
        wait = str(max(1, math.ceil(decision.retry_after)))
        return TooManyRequests(f"{self._words}.", headers={"Retry-After": wait})
