"""Requests are counted here before anything costly is done for them.

A request counts for the user whom its token proves, and for its client address when it proves nobody. What would go
beyond a limit is refused, and a refusal uses nothing.
"""

import math
from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from atoll.client_address import network_of
from atoll.gateway.limits import Limit
from atoll.gateway.visit import Visit
from atoll.limits.limiter import Limiter
from atoll.limits.policy import Decision, LimitPolicy
from atoll.limits.rates import in_words
from atoll.problems import TooManyRequests


class RequestLimits(Collector):
    """Counts with `limiter` by the limits of the settings, and tells the metrics how it decided."""

    def __init__(self, limits: Mapping[str, Limit], limiter: Limiter) -> None:
        self._limiter = limiter
        self._by_address = {name: _Counted(limit.address) for name, limit in limits.items()}
        self._by_user = {name: _Counted(limit.user) for name, limit in limits.items() if limit.user is not None}

    def count(self, limit: str, cost: int, visit: Visit) -> None:
        """Let the visit use `cost` units of the limit of that name, or raise `TooManyRequests`.

        Notes in the visit what its answer says of the limit.
        """
        counted = self._by_user.get(limit) if visit.principal is not None else None
        if counted is None or visit.principal is None:
            self._take(self._by_address[limit], network_of(visit.client_address), cost, visit)
        else:
            self._take(counted, visit.principal.subject, cost, visit)

    def check_address(self, limit: str, cost: int, visit: Visit) -> None:
        """Raise `TooManyRequests` if the visit could not be counted for its address; uses nothing."""
        counted = self._by_address[limit]
        caller = network_of(visit.client_address)
        if self._limiter.take(counted.policy, caller, 0).remaining < cost:
            self._take(counted, caller, cost, visit)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """For Prometheus."""
        family = CounterMetricFamily(
            "gateway_limit_decisions", "Requests that a limit let pass or refused.", labels=("policy", "decision")
        )
        for counted in (*self._by_address.values(), *self._by_user.values()):
            family.add_metric((counted.policy.name, "allowed"), counted.allowed)
            family.add_metric((counted.policy.name, "refused"), counted.refused)
        yield family

    def _take(self, counted: "_Counted", caller: str, cost: int, visit: Visit) -> None:
        decision = self._limiter.take(counted.policy, caller, cost)
        visit.limit_fields = counted.fields(decision)
        if decision.allowed:
            counted.allowed += 1
        else:
            counted.refused += 1
            raise _refusal(decision)


class _Counted:
    """A policy, what an answer's head says of it, and how often it has decided which way."""

    __slots__ = ("_beginning", "allowed", "policy", "refused")

    def __init__(self, policy: LimitPolicy) -> None:
        self.policy = policy
        self.allowed = 0
        self.refused = 0
        name = policy.name.encode("ascii")
        self._beginning = b'ratelimit-policy: "%b";q=%d;w=%d\r\nratelimit: "%b"' % (
            name,
            policy.quota,
            math.ceil(policy.window),
            name,
        )

    def fields(self, decision: Decision) -> bytes:
        """The same fields as `Decision.headers`, as lines, for a tenth of the work."""
        return b"%b;r=%d;t=%d\r\n" % (self._beginning, decision.remaining, math.ceil(decision.reset))


def _refusal(decision: Decision) -> TooManyRequests:
    told = decision.headers().get("Retry-After")
    return TooManyRequests(
        f"No more than {in_words(decision.policy)} may be asked here{'' if told else ', which one like this exceeds'}.",
        headers={} if told is None else {"Retry-After": told},
    )
