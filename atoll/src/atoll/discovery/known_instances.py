"""What a client believes of who is running, from the lists that registries told it. No I/O."""

from collections.abc import Mapping, Sequence

from atoll.discovery.instance import ServiceInstance
from atoll.discovery.registry_api import InstanceList

Address = tuple[str, int]


class KnownInstances:
    """Believes every list of one epoch, and forgets nobody only because a registry forgot everything.

    Within an epoch the latest list is the truth. The first list of another epoch may lack instances that have
    not come back yet: those are carried over until the registry has had one lease of time to hear from
    them, or says that somebody else is at their address.
    """

    def __init__(self) -> None:
        self._epoch: str | None = None
        self._listed: Mapping[Address, ServiceInstance] = {}
        self._carried: Mapping[Address, ServiceInstance] = {}
        self._carried_until = 0.0
        self._by_service: Mapping[str, tuple[ServiceInstance, ...]] = {}

    def instances(self, service: str) -> Sequence[ServiceInstance]:
        """Those to call now; the same object until they change."""
        return self._by_service.get(service, ())

    def learn(self, told: InstanceList, now: float) -> None:
        """Take in a list that arrived at `now`, in monotonic seconds."""
        listed = {(one.host, one.port): one.as_instance() for one in told.instances}
        if told.epoch != self._epoch:
            self._carried = {**self._carried, **self._listed}
            self._carried_until = now + told.lease_seconds
            self._epoch = told.epoch
        if now >= self._carried_until:
            self._carried = {}
        self._carried = {address: one for address, one in self._carried.items() if address not in listed}
        self._listed = listed
        self._by_service = self._sorted_by_service()

    def seconds_to_settle(self, now: float) -> float | None:
        """How long those that are carried over will be believed without a word; None when there are none."""
        return max(0.0, self._carried_until - now) if self._carried else None

    def _sorted_by_service(self) -> Mapping[str, tuple[ServiceInstance, ...]]:
        found: dict[str, list[ServiceInstance]] = {}
        for instance in [*self._listed.values(), *self._carried.values()]:
            found.setdefault(instance.name, []).append(instance)
        return {name: self._unless_changed(name, tuple(instances)) for name, instances in found.items()}

    def _unless_changed(self, name: str, instances: tuple[ServiceInstance, ...]) -> tuple[ServiceInstance, ...]:
        before = self._by_service.get(name, ())
        return before if before == instances else instances

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {len(instances)}" for name, instances in sorted(self._by_service.items()))
        return f"KnownInstances(epoch={self._epoch!r}, {counts or 'nobody'}, carried over {len(self._carried)})"
