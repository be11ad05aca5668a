"""Who is running where, for how long, and since when: the registry's rules, with no I/O.

An instance comes DOWN, is UP from its first passing check, and is gone when it leaves or when a lease
passes without a heartbeat. One host and port holds one instance: a newcomer there takes the place of the
one before.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from atoll.clock import Clock
from atoll.discovery.instance import ServiceInstance
from atoll.discovery.registry_api import Announcement, InstanceStatus
from atoll.ids import NewId

LEASE_SECONDS = 15.0
"""Three heartbeats, so that one may be lost and one late (the proportion is Eureka's, 90 s and 30 s)."""

HEARTBEAT_SECONDS = 5.0

DOUBT_LEASES = 4
"""After so many leases without a word an instance is gone in any case, however many others are."""


_IN_ORDER = (InstanceStatus.DOWN, InstanceStatus.UP, InstanceStatus.DRAINING)


@dataclass(frozen=True, slots=True)
class Lease:
    """One instance's place in the registry. `renewed_at` is in the clock's monotonic seconds."""

    instance: ServiceInstance
    status: InstanceStatus
    registered_at: datetime
    renewed_at: float
    health: str = "/health"
    metadata: Mapping[str, str] = field(default_factory=dict)
    beat: int = 0
    """Heartbeats so far, with all replicas of the registry."""

    @property
    def address(self) -> tuple[str, int]:
        """The host and port: no two leases share one."""
        return self.instance.host, self.instance.port


class Leases:
    """The registry's memory. `revision` grows with each change of what `listed` answers.

    An expired lease is never seen, whether or not anyone called `evict_expired` meanwhile. But when more than
    half of all (and more than one) would expire within `DOUBT_LEASES`, it is doubtful whether they are gone, or
    we were not to be reached: those beyond that half stay until they have been silent for so long.
    (Eureka's self-preservation compares rates of heartbeats, and so needs many instances; this works with
    three. Callers find out by themselves who does not answer.)
    """

    def __init__(self, *, clock: Clock, new_id: NewId, lease_seconds: float = LEASE_SECONDS) -> None:
        self.lease_seconds = lease_seconds
        self.epoch = new_id()
        self._doubt_seconds = DOUBT_LEASES * lease_seconds
        self._clock = clock
        self._new_id = new_id
        self._leases: dict[str, Lease] = {}
        self._by_address: dict[tuple[str, int], str] = {}
        self._evictions: list[float] = []
        """When leases ran out lately, in monotonic seconds."""
        self._revision = 0
        self._turns: dict[str, int] = {}
        self._printed = -1
        self._fingerprint = ""

    @property
    def revision(self) -> int:
        self.evict_expired()
        return self._revision

    @property
    def fingerprint(self) -> str:
        """Of what `listed` answers: the same for the same list, whichever replica is asked."""
        if self._printed != self.revision:
            listed = sorted((each.id, each.url, each.name, each.version) for each in self.listed())
            self._printed = self._revision
            self._fingerprint = hashlib.blake2b(repr(listed).encode(), digest_size=8).hexdigest()
        return self._fingerprint

    def register(self, announcement: Announcement) -> Lease:
        """Take in an instance under a new id; it is DOWN until `admit`."""
        self.evict_expired()
        lease = Lease(
            instance=ServiceInstance(
                id=self._new_id(),
                name=announcement.name,
                host=announcement.host,
                port=announcement.port,
                version=announcement.version,
            ),
            status=InstanceStatus.DOWN,
            registered_at=self._clock.now(),
            renewed_at=self._clock.monotonic(),
            health=announcement.health,
            metadata=announcement.metadata,
        )
        self._remove(self._by_address.get(lease.address))
        self._leases[lease.instance.id] = lease
        self._by_address[lease.address] = lease.instance.id
        return lease

    def admit(self, instance_id: str) -> Lease | None:
        """The instance passed its first check: list it, unless it is draining; None when it is gone already."""
        lease = self.find(instance_id)
        if lease is None or lease.status is not InstanceStatus.DOWN:
            return lease
        return self._put(replace(lease, status=InstanceStatus.UP))

    def renew(self, instance_id: str, *, draining: bool = False) -> Lease | None:
        """A heartbeat: the lease begins anew; None when it is gone. A draining instance is listed no more."""
        lease = self.find(instance_id)
        if lease is None:
            return None
        status = InstanceStatus.DRAINING if draining else lease.status
        return self._put(replace(lease, status=status, renewed_at=self._clock.monotonic(), beat=lease.beat + 1))

    def hear(self, instance_id: str, *, beat: int, status: InstanceStatus) -> None:
        """Another replica knows that much of an instance: a greater beat begins its lease anew.

        A status only goes on, from DOWN to UP to DRAINING.
        """
        lease = self._leases[instance_id]
        renewed_at = self._clock.monotonic() if beat > lease.beat else lease.renewed_at
        further = max(lease.status, status, key=_IN_ORDER.index)
        self._put(replace(lease, status=further, renewed_at=renewed_at, beat=max(beat, lease.beat)))

    def take_in(self, lease: Lease) -> Lease | None:
        """An instance that another replica has registered; None when one that came later is at its address."""
        there = self._by_address.get(lease.address)
        if there is not None and self._leases[there].registered_at > lease.registered_at:
            return None
        self._remove(there)
        self._leases[lease.instance.id] = lease
        self._by_address[lease.address] = lease.instance.id
        self._revision += lease.status is InstanceStatus.UP
        return lease

    def leave(self, instance_id: str) -> None:
        """The instance stops; whoever is gone already may leave again."""
        self.evict_expired()
        self._remove(instance_id)

    def find(self, instance_id: str) -> Lease | None:
        self.evict_expired()
        return self._leases.get(instance_id)

    def all(self) -> Sequence[Lease]:
        """Every lease, the oldest registration first."""
        self.evict_expired()
        return list(self._leases.values())

    def listed(self) -> Sequence[ServiceInstance]:
        """The instances that may be called."""
        return [lease.instance for lease in self.all() if lease.status is InstanceStatus.UP]

    def pick(self, service: str) -> ServiceInstance | None:
        """One listed instance of `service`, each in its turn; None when there is none."""
        listed = [instance for instance in self.listed() if instance.name == service]
        if not listed:
            return None
        turn = self._turns.get(service, 0)
        self._turns[service] = turn + 1
        return listed[turn % len(listed)]

    def evict_expired(self) -> Sequence[Lease]:
        """Drop every lease that has run out, as far as there is no doubt about it, and say which."""
        now = self._clock.monotonic()
        silent = sorted(
            (lease for lease in self._leases.values() if lease.renewed_at + self.lease_seconds <= now),
            key=lambda lease: lease.renewed_at,
        )
        if not silent:
            return ()
        self._evictions = [moment for moment in self._evictions if moment > now - self._doubt_seconds]
        surely_gone = [lease for lease in silent if lease.renewed_at + self._doubt_seconds <= now]
        may_go = max(0, self._most_gone() - len(self._evictions) - len(surely_gone))
        expired = surely_gone + silent[len(surely_gone) :][:may_go]
        for lease in expired:
            self._remove(lease.instance.id)
            self._evictions.append(now)
        return expired

    @property
    def in_doubt(self) -> int:
        """How many leases have run out and are kept, because so many have."""
        self.evict_expired()
        now = self._clock.monotonic()
        return sum(lease.renewed_at + self.lease_seconds <= now for lease in self._leases.values())

    def _most_gone(self) -> int:
        """How many may run out together: half of those that there were, and one in any case."""
        return max(1, (len(self._leases) + len(self._evictions)) // 2)

    def next_expiry(self) -> float | None:
        """The monotonic second at which the next lease runs out, if no heartbeat comes; None with no leases."""
        now = self._clock.monotonic()
        renewals = [lease.renewed_at for lease in self._leases.values()]
        ends = [moment + self.lease_seconds for moment in renewals]
        of_doubts = [moment + self._doubt_seconds for moment in renewals]
        return min((moment for moment in [*ends, *of_doubts] if moment > now), default=None)

    def age(self, lease: Lease) -> float:
        """Seconds since the last heartbeat."""
        return self._clock.monotonic() - lease.renewed_at

    def _put(self, lease: Lease) -> Lease:
        before = self._leases[lease.instance.id]
        self._leases[lease.instance.id] = lease
        if (before.status is InstanceStatus.UP) != (lease.status is InstanceStatus.UP):
            self._revision += 1
        return lease

    def _remove(self, instance_id: str | None) -> None:
        lease = self._leases.pop(instance_id, None) if instance_id else None
        if lease is None:
            return
        del self._by_address[lease.address]
        if lease.status is InstanceStatus.UP:
            self._revision += 1

    def __len__(self) -> int:
        return len(self.all())

    def __repr__(self) -> str:
        statuses = [f"{lease.instance.name} {lease.status}" for lease in self._leases.values()]
        return f"Leases(epoch={self.epoch!r}, revision={self._revision}, {', '.join(statuses) or 'empty'})"
