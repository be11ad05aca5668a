"""Replicas that share a list come to know the same, whatever happens to them and to the list."""

from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from atoll.discovery.registry_api import Announcement, InstanceStatus
from atoll.ids import uuid7
from atoll.registry.leases import LEASE_SECONDS, Lease, Leases
from atoll.registry.shared_list import SharedLease, SharedList, SharedState
from atoll.testing.clock import ManualClock

REPLICAS = 3


class Store:
    """The shared list, as it would be in a server that may be wiped."""

    def __init__(self) -> None:
        self.state = SharedState()

    def exchange(self, leases: Leases, shared: SharedList) -> Sequence[Lease]:
        newcomers = shared.learn(self.state)
        changes = shared.changes(self.state)
        kept = {each.id: each for each in self.state.leases.values() if each.id not in changes.remove}
        self.state = SharedState(self.state.epoch or leases.epoch, kept | {each.id: each for each in changes.put})
        return newcomers


class Replica:
    def __init__(self, clock: ManualClock, store: Store) -> None:
        self.leases = Leases(clock=clock, new_id=uuid7(clock))
        self.shared = SharedList(self.leases, clock)
        self.connected = True
        self._store = store

    def exchange(self) -> Sequence[Lease]:
        if self.connected:
            return self._store.exchange(self.leases, self.shared)
        self.shared.note_absence()
        return ()

    def register(self, port: int) -> str:
        lease = self.leases.register(Announcement(name="users", host="127.0.0.1", port=port))
        self.leases.admit(lease.instance.id)
        return lease.instance.id

    def leave(self, instance_id: str) -> None:
        self.leases.leave(instance_id)
        self.shared.note_leaving(instance_id)

    def listed(self) -> set[str]:
        return {instance.id for instance in self.leases.listed()}


def replicas(count: int = REPLICAS) -> tuple[ManualClock, Store, list[Replica]]:
    clock, store = ManualClock(), Store()
    return clock, store, [Replica(clock, store) for _ in range(count)]


def exchange_all(all_of_them: Sequence[Replica], rounds: int = 3) -> None:
    for _ in range(rounds):
        for replica in all_of_them:
            replica.exchange()


def test_what_one_is_told_all_know_under_one_epoch() -> None:
    _, _, (one, other, third) = replicas()
    instance = one.register(1)
    exchange_all([one, other, third])

    assert one.listed() == other.listed() == third.listed() == {instance}
    assert one.leases.epoch == other.leases.epoch == third.leases.epoch
    assert one.leases.fingerprint == other.leases.fingerprint


def test_a_newcomer_that_nobody_has_checked_is_told_to_the_others() -> None:
    _, _, (one, other) = replicas(2)
    lease = one.leases.register(Announcement(name="users", host="127.0.0.1", port=1))
    one.exchange()

    assert [each.instance for each in other.exchange()] == [lease.instance]
    assert list(other.exchange()) == []


def test_a_heartbeat_to_one_keeps_the_lease_with_all() -> None:
    clock, _, (one, other) = replicas(2)
    instance = one.register(1)
    for _ in range(20):
        exchange_all([one, other])
        clock.step(LEASE_SECONDS / 2)
        other.leases.renew(instance)

    assert instance in one.listed() & other.listed()


def test_an_instance_without_heartbeats_is_gone_everywhere() -> None:
    clock, _, (one, other) = replicas(2)
    one.register(1)
    exchange_all([one, other])
    clock.step(LEASE_SECONDS)
    exchange_all([one, other])

    assert one.listed() | other.listed() == set()


def test_who_leaves_is_gone_everywhere_and_no_late_heartbeat_raises_them() -> None:
    _, store, (one, other) = replicas(2)
    instance = one.register(1)
    exchange_all([one, other])
    other.leases.renew(instance)
    one.leave(instance)
    other.exchange()
    exchange_all([one, other])

    assert one.listed() | other.listed() == set()
    assert store.state.leases == {}


def test_who_drains_is_listed_nowhere() -> None:
    _, _, (one, other) = replicas(2)
    instance = one.register(1)
    exchange_all([one, other])
    one.leases.renew(instance, draining=True)
    other.leases.renew(instance)
    exchange_all([one, other])

    assert one.listed() | other.listed() == set()
    assert [lease.status for lease in other.leases.all()] == [InstanceStatus.DRAINING]


def test_a_list_that_was_wiped_is_filled_again_and_nobody_is_forgotten() -> None:
    _, store, (one, other) = replicas(2)
    instances = {one.register(1), other.register(2)}
    exchange_all([one, other])
    epoch = one.leases.epoch
    store.state = SharedState()
    exchange_all([other, one])

    assert one.listed() == other.listed() == instances
    assert set(store.state.leases) == instances
    assert {one.leases.epoch, other.leases.epoch, store.state.epoch} == {epoch}


def test_a_replica_that_was_cut_off_takes_nobody_with_it() -> None:
    clock, _, (one, other) = replicas(2)
    instance = one.register(1)
    exchange_all([one, other])
    other.connected = False
    for _ in range(10):
        clock.step(LEASE_SECONDS / 2)
        one.leases.renew(instance)
        exchange_all([one, other])
    alone = other.listed()
    other.connected = True
    exchange_all([other, one])

    assert alone == set()
    assert one.listed() == other.listed() == {instance}


def test_a_replica_that_starts_later_begins_with_what_the_others_know() -> None:
    clock, store, (one, other) = replicas(2)
    instance = one.register(1)
    exchange_all([one, other])
    late = Replica(clock, store)
    late.exchange()

    assert late.listed() == {instance}
    assert late.leases.epoch == one.leases.epoch


def test_of_two_at_one_address_the_later_one_stays() -> None:
    clock, _, (one, other) = replicas(2)
    one.register(1)
    clock.step(1.0)
    later = other.register(1)
    exchange_all([one, other])

    assert one.listed() == other.listed() == {later}


def test_a_lease_is_the_same_after_the_way_over_the_list() -> None:
    clock, _, (one, _) = replicas(2)
    lease = one.leases.register(
        Announcement(name="users", host="::1", port=1, version="2", health="/h", metadata={"zone": "a"})
    )

    assert SharedLease.of(lease).as_lease(clock.monotonic()) == lease
    assert lease.registered_at == datetime(2030, 1, 1, tzinfo=UTC)


class ReplicasMachine(RuleBasedStateMachine):
    """Anything happens, in any order; whenever everybody is connected and has exchanged, all know the same."""

    alive = Bundle("alive")

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.store, self.replicas = replicas()
        self.gone: set[str] = set()
        self.ports = iter(range(1, 10_000))

    @rule(target=alive, replica=st.integers(0, REPLICAS - 1))
    def register(self, replica: int) -> str:
        return self.replicas[replica].register(next(self.ports))

    @rule(instance=alive, replica=st.integers(0, REPLICAS - 1), draining=st.booleans())
    def renew(self, instance: str, replica: int, draining: bool) -> None:
        self.replicas[replica].leases.renew(instance, draining=draining)

    @rule(instance=alive, replica=st.integers(0, REPLICAS - 1))
    def leave(self, instance: str, replica: int) -> None:
        self.replicas[replica].leave(instance)
        self.gone.add(instance)

    @rule(replica=st.integers(0, REPLICAS - 1))
    def exchange(self, replica: int) -> None:
        self.replicas[replica].exchange()

    @rule(replica=st.integers(0, REPLICAS - 1))
    def cut_off(self, replica: int) -> None:
        self.replicas[replica].connected = False
        self.replicas[replica].exchange()

    @rule(replica=st.integers(0, REPLICAS - 1))
    def connect(self, replica: int) -> None:
        self.replicas[replica].connected = True

    @rule()
    def wipe(self) -> None:
        self.store.state = SharedState()

    @rule(seconds=st.floats(0.1, LEASE_SECONDS / 3))
    def time_passes(self, seconds: float) -> None:
        self.clock.step(seconds)

    @rule()
    def come_to_rest(self) -> None:
        for replica in self.replicas:
            replica.connected = True
        exchange_all(self.replicas, rounds=4)
        first, *others = self.replicas

        assert all(other.listed() == first.listed() for other in others)
        assert all(other.leases.epoch == first.leases.epoch for other in others)
        assert all(other.leases.fingerprint == first.leases.fingerprint for other in others)
        assert set(self.store.state.leases) == {lease.instance.id for lease in first.leases.all()}
        assert first.listed().isdisjoint(self.gone)

    @invariant()
    def no_address_is_held_twice(self) -> None:
        for replica in self.replicas:
            addresses = [lease.address for lease in replica.leases.all()]
            assert len(addresses) == len(set(addresses))


TestReplicas = ReplicasMachine.TestCase
TestReplicas.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
