import itertools
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from atoll.discovery.registry_api import Announcement, InstanceStatus
from atoll.registry.leases import DOUBT_LEASES, LEASE_SECONDS, Leases
from atoll.testing.clock import ManualClock

UP, DOWN, DRAINING = InstanceStatus.UP, InstanceStatus.DOWN, InstanceStatus.DRAINING


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def leases(clock: ManualClock) -> Leases:
    return new_leases(clock)


def new_leases(clock: ManualClock) -> Leases:
    numbers = itertools.count()
    return Leases(clock=clock, new_id=lambda: f"id-{next(numbers)}")


def announcement(name: str = "users", port: int = 3001) -> Announcement:
    return Announcement(name=name, host="127.0.0.1", port=port)


def admitted(leases: Leases, name: str = "users", port: int = 3001) -> str:
    lease = leases.register(announcement(name, port))
    leases.admit(lease.instance.id)
    return lease.instance.id


def listed_ids(leases: Leases) -> list[str]:
    return [instance.id for instance in leases.listed()]


def test_a_newcomer_is_known_but_not_listed(leases: Leases) -> None:
    lease = leases.register(announcement())

    assert lease.status is DOWN
    assert leases.listed() == []
    assert len(leases) == 1


def test_an_instance_is_listed_once_it_is_admitted(leases: Leases) -> None:
    instance_id = admitted(leases)

    assert listed_ids(leases) == [instance_id]


def test_an_instance_is_listed_until_its_lease_runs_out(leases: Leases, clock: ManualClock) -> None:
    instance_id = admitted(leases)
    clock.step(LEASE_SECONDS - 0.001)
    before = listed_ids(leases)
    clock.step(0.001)

    assert before == [instance_id]
    assert listed_ids(leases) == []
    assert len(leases) == 0


def test_a_heartbeat_begins_the_lease_anew(leases: Leases, clock: ManualClock) -> None:
    instance_id = admitted(leases)
    clock.step(LEASE_SECONDS - 1)
    leases.renew(instance_id)
    clock.step(LEASE_SECONDS - 1)

    assert listed_ids(leases) == [instance_id]


def test_a_late_heartbeat_raises_no_dead(leases: Leases, clock: ManualClock) -> None:
    instance_id = admitted(leases)
    clock.step(LEASE_SECONDS)

    assert leases.renew(instance_id) is None
    assert leases.admit(instance_id) is None
    assert listed_ids(leases) == []


def test_who_leaves_is_gone_at_once_and_may_leave_again(leases: Leases) -> None:
    instance_id = admitted(leases)
    leases.leave(instance_id)
    leases.leave(instance_id)

    assert listed_ids(leases) == []
    assert leases.renew(instance_id) is None


def test_a_draining_instance_is_known_and_not_listed(leases: Leases) -> None:
    instance_id = admitted(leases)
    leases.renew(instance_id, draining=True)

    assert [lease.status for lease in leases.all()] == [DRAINING]
    assert listed_ids(leases) == []


def test_a_draining_instance_stays_so_whatever_comes_late(leases: Leases) -> None:
    instance_id = admitted(leases)
    leases.renew(instance_id, draining=True)
    leases.renew(instance_id)
    leases.admit(instance_id)

    assert [lease.status for lease in leases.all()] == [DRAINING]


def test_a_newcomer_takes_the_place_of_whoever_was_at_its_address(leases: Leases) -> None:
    admitted(leases, "users", 3001)
    newcomer = leases.register(announcement("orders", 3001))

    assert [lease.instance for lease in leases.all()] == [newcomer.instance]
    assert listed_ids(leases) == []


def test_the_one_whose_place_was_taken_is_told_to_register_again(leases: Leases) -> None:
    before = admitted(leases, "users", 3001)
    leases.register(announcement("users", 3001))

    assert leases.renew(before) is None


def test_instances_are_picked_in_turn(leases: Leases) -> None:
    ids = [admitted(leases, "users", port) for port in (3001, 3002, 3003)]
    admitted(leases, "orders", 3004)
    picked = [leases.pick("users") for _ in range(6)]

    assert [instance.id for instance in picked if instance] == ids * 2


def test_nobody_is_picked_of_a_service_without_listed_instances(leases: Leases) -> None:
    leases.register(announcement())

    assert leases.pick("users") is None


def test_only_changes_of_the_list_make_a_new_revision(leases: Leases, clock: ManualClock) -> None:
    revisions = [leases.revision]
    lease = leases.register(announcement())
    revisions.append(leases.revision)
    leases.admit(lease.instance.id)
    revisions.append(leases.revision)
    leases.renew(lease.instance.id)
    leases.admit(lease.instance.id)
    revisions.append(leases.revision)
    clock.step(LEASE_SECONDS)
    revisions.append(leases.revision)

    assert revisions == [0, 0, 1, 1, 2]


def test_a_registry_that_starts_anew_has_another_epoch(clock: ManualClock) -> None:
    numbers = itertools.count()
    epochs = {Leases(clock=clock, new_id=lambda: str(next(numbers))).epoch for _ in range(3)}

    assert len(epochs) == 3


def test_the_next_expiry_is_the_earliest(leases: Leases, clock: ManualClock) -> None:
    nobody = leases.next_expiry()
    first = admitted(leases, port=3001)
    clock.step(4)
    admitted(leases, port=3002)
    earliest = leases.next_expiry()
    leases.renew(first)

    assert (nobody, earliest, leases.next_expiry()) == (None, LEASE_SECONDS, 4 + LEASE_SECONDS)


def three(leases: Leases) -> list[str]:
    return [admitted(leases, port=port) for port in (3001, 3002, 3003)]


def test_of_three_instances_one_may_fall_silent_and_goes(leases: Leases, clock: ManualClock) -> None:
    _, *others = three(leases)
    clock.step(10)
    for other in others:
        leases.renew(other)
    clock.step(5)

    assert listed_ids(leases) == others
    assert leases.in_doubt == 0


def test_when_all_fall_silent_most_of_them_stay(leases: Leases, clock: ManualClock) -> None:
    three(leases)
    clock.step(45)

    assert len(listed_ids(leases)) == 2
    assert leases.in_doubt == 2


def test_who_is_heard_from_again_is_in_no_doubt(leases: Leases, clock: ManualClock) -> None:
    three(leases)
    clock.step(20)
    for instance_id in listed_ids(leases):
        assert leases.renew(instance_id) is not None

    assert (len(listed_ids(leases)), leases.in_doubt) == (2, 0)


def test_who_is_silent_for_a_minute_is_gone_in_any_case(leases: Leases, clock: ManualClock) -> None:
    three(leases)
    clock.step(DOUBT_LEASES * LEASE_SECONDS)

    assert listed_ids(leases) == []


def test_the_end_of_a_doubt_is_an_expiry(leases: Leases, clock: ManualClock) -> None:
    three(leases)
    clock.step(20)
    leases.evict_expired()

    assert leases.next_expiry() == DOUBT_LEASES * LEASE_SECONDS


class LeasesAgainstAModel(RuleBasedStateMachine):
    """The model: a plain dictionary, in which everything is worked out from the beginning each time.

    Of those whose lease has run out it says only until when they may be kept, because many have.
    """

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.leases = new_leases(self.clock)
        self.model: dict[str, dict[str, Any]] = {}
        self.last_list: list[str] = []
        self.last_revision = 0

    def alive(self, instance_id: str) -> bool:
        """Whether it must be there; if it may be, whether it is."""
        if instance_id not in self.model:
            return False
        ends = self.model[instance_id]["ends"]
        if ends + (DOUBT_LEASES - 1) * LEASE_SECONDS <= self.clock.monotonic():
            return False
        return ends > self.clock.monotonic() or instance_id in {lease.instance.id for lease in self.leases.all()}

    @rule(target=ids, name=st.sampled_from(["users", "orders"]), port=st.integers(1, 4))
    def register(self, name: str, port: int) -> str:
        lease = self.leases.register(announcement(name, port))
        self.model = {known: facts for known, facts in self.model.items() if facts["port"] != port}
        ends = self.clock.monotonic() + LEASE_SECONDS
        self.model[lease.instance.id] = {"name": name, "port": port, "ends": ends, "status": DOWN}
        return lease.instance.id

    @rule(target=ids)
    def an_id_never_given_out(self) -> Any:
        return multiple("made-up")

    @rule(instance_id=ids)
    def admit(self, instance_id: str) -> None:
        was_alive = self.alive(instance_id)
        self.leases.admit(instance_id)
        if was_alive and self.alive(instance_id) and self.model[instance_id]["status"] is DOWN:
            self.model[instance_id]["status"] = UP

    @rule(instance_id=ids, draining=st.booleans())
    def renew(self, instance_id: str, draining: bool) -> None:
        was_alive = self.alive(instance_id)
        lease = self.leases.renew(instance_id, draining=draining)
        assert (lease is not None) == was_alive
        if lease is not None:
            self.model[instance_id]["ends"] = self.clock.monotonic() + LEASE_SECONDS
            if draining:
                self.model[instance_id]["status"] = DRAINING

    @rule(instance_id=ids)
    def leave(self, instance_id: str) -> None:
        self.leases.leave(instance_id)
        self.model.pop(instance_id, None)

    @rule(seconds=st.sampled_from([0.5, 5.0, 14.5, 15.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.step(seconds)

    @rule()
    def evict(self) -> None:
        self.leases.evict_expired()

    @invariant()
    def they_agree(self) -> None:
        alive = {known: facts for known, facts in self.model.items() if self.alive(known)}
        assert {lease.instance.id: lease.status for lease in self.leases.all()} == {
            known: facts["status"] for known, facts in alive.items()
        }
        for name in ("users", "orders"):
            up = {known for known, facts in alive.items() if facts["name"] == name and facts["status"] is UP}
            picked = self.leases.pick(name)
            assert (picked.id in up) if picked else not up

    @invariant()
    def the_revision_moves_with_the_list(self) -> None:
        now_listed, revision = listed_ids(self.leases), self.leases.revision
        assert revision >= self.last_revision
        assert now_listed == self.last_list or revision > self.last_revision
        self.last_list, self.last_revision = now_listed, revision

    @invariant()
    def no_address_is_there_twice(self) -> None:
        addresses = [lease.address for lease in self.leases.all()]
        assert len(set(addresses)) == len(addresses)


TestLeasesAgainstAModel = LeasesAgainstAModel.TestCase
