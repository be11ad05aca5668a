"""What a replica of the registry and the list that it shares with the others make of each other. No I/O.

Each replica has leases of its own, and goes on with them when the shared list is away. On the shared list each
instance has a beat, which grows with each heartbeat, whoever receives it. A replica that sees a beat grow begins the
lease anew by its own clock; one that stands still for a whole lease is an instance that is gone. So no two
clocks are compared.

A replica that was cut off, or finds the list empty, takes nothing from it as a sign that somebody left: it adds what it
knows, and gives everybody on it one lease of time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from atoll.clock import Clock
from atoll.discovery.instance import ServiceInstance
from atoll.discovery.registry_api import InstanceStatus
from atoll.registry.leases import DOUBT_LEASES, Lease, Leases
from atoll.wire import Model


class SharedLease(Model):
    """An instance as the shared list has it."""

    id: str
    name: str
    host: str
    port: int
    version: str
    health: str
    metadata: dict[str, str]
    status: InstanceStatus
    registered_at: datetime
    beat: int

    @classmethod
    def of(cls, lease: Lease) -> "SharedLease":
        instance = lease.instance
        return cls(
            id=instance.id,
            name=instance.name,
            host=instance.host,
            port=instance.port,
            version=instance.version,
            health=lease.health,
            metadata=dict(lease.metadata),
            status=lease.status,
            registered_at=lease.registered_at,
            beat=lease.beat,
        )

    def as_lease(self, renewed_at: float) -> Lease:
        return Lease(
            instance=ServiceInstance(self.id, self.name, self.host, self.port, self.version),
            status=self.status,
            registered_at=self.registered_at,
            renewed_at=renewed_at,
            health=self.health,
            metadata=self.metadata,
            beat=self.beat,
        )


@dataclass(frozen=True, slots=True)
class SharedState:
    """The shared list at one moment; `epoch` is None when it has never been written, or was wiped."""

    epoch: str | None = None
    leases: Mapping[str, SharedLease] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be written to the shared list."""

    put: Sequence[SharedLease]
    remove: Sequence[str]

    def __bool__(self) -> bool:
        return bool(self.put or self.remove)


class SharedList:
    """Keeps the leases of one replica and the shared list alike: `learn` what is on it, then write the `changes`."""

    def __init__(self, leases: Leases, clock: Clock) -> None:
        self._leases = leases
        self._clock = clock
        self._beats: dict[str, int] = {}
        """What was on the list when we last saw it, with the beats of that moment."""
        self._left: dict[str, float] = {}
        """Who said goodbye to us, and when: no heartbeat that is late raises them."""

    def note_leaving(self, instance_id: str) -> None:
        """An instance said goodbye."""
        self._left[instance_id] = self._clock.monotonic()

    def note_absence(self) -> None:
        """The list cannot be reached: what will be missing from it later says nothing."""
        self._beats = {}

    def learn(self, state: SharedState) -> Sequence[Lease]:
        """Take in what others have written; the newcomers among them, which nobody may have checked yet."""
        if state.epoch is None:
            self.note_absence()
        else:
            self._leases.epoch = state.epoch
        for instance_id in self._beats.keys() - state.leases.keys():
            self._leases.leave(instance_id)
        return [lease for told in state.leases.values() if (lease := self._hear_of(told)) is not None]

    def changes(self, state: SharedState) -> Changes:
        """What `state`, which was learned just before, lacks, or has too much of."""
        ours = {lease.instance.id: SharedLease.of(lease) for lease in self._leases.all()}
        self._beats = {instance_id: lease.beat for instance_id, lease in ours.items()}
        self._forget_who_left_long_ago(state.leases)
        return Changes(
            put=[
                lease for instance_id, lease in ours.items() if not _says_the_same(state.leases.get(instance_id), lease)
            ],
            remove=sorted(state.leases.keys() - ours.keys()),
        )

    def _hear_of(self, told: SharedLease) -> Lease | None:
        if told.id in self._left:
            return None
        if self._leases.find(told.id) is not None:
            self._leases.hear(told.id, beat=told.beat, status=told.status)
            return None
        if self._beats.get(told.id, -1) >= told.beat:
            return None  # its lease has run out here, and nobody has heard of it since
        lease = self._leases.take_in(told.as_lease(self._clock.monotonic()))
        return lease if lease is not None and lease.status is InstanceStatus.DOWN else None

    def _forget_who_left_long_ago(self, still_listed: Iterable[str]) -> None:
        since = self._clock.monotonic() - DOUBT_LEASES * self._leases.lease_seconds
        listed = set(still_listed)
        self._left = {each: moment for each, moment in self._left.items() if moment > since or each in listed}


def _says_the_same(one: SharedLease | None, other: SharedLease) -> bool:
    return one is not None and (one.beat, one.status) == (other.beat, other.status)
