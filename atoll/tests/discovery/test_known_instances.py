import hypothesis.strategies as st
from hypothesis import given

from atoll.discovery.known_instances import KnownInstances
from atoll.discovery.registry_api import InstanceList, ListedInstance

LEASE = 15.0


def listing(epoch: str, *instances: str, revision: int = 0) -> InstanceList:
    """A list of instances written as `users:3001`."""
    return InstanceList(
        epoch=epoch,
        cursor=f"{epoch}.{revision}",
        lease_seconds=LEASE,
        instances=tuple(listed(epoch, instance) for instance in instances),
    )


def listed(epoch: str, instance: str) -> ListedInstance:
    name, port = instance.split(":")
    return ListedInstance(id=f"{epoch}-{instance}", name=name, host="127.0.0.1", port=int(port))


def known(instances: KnownInstances, *services: str) -> set[str]:
    found = [one for service in services or ("users", "orders") for one in instances.instances(service)]
    return {f"{one.name}:{one.port}" for one in found}


def test_nobody_is_known_before_the_first_list() -> None:
    assert known(KnownInstances()) == set()


def test_the_latest_list_of_an_epoch_is_the_truth() -> None:
    instances = KnownInstances()
    instances.learn(listing("a", "users:1", "orders:2"), now=0)
    instances.learn(listing("a", "users:3"), now=1)

    assert known(instances) == {"users:3"}


def test_an_expiry_in_the_first_epoch_counts_at_once() -> None:
    instances = KnownInstances()
    instances.learn(listing("a", "users:1"), now=0)
    instances.learn(listing("a"), now=0.1)

    assert known(instances) == set()


def test_a_registry_that_comes_back_empty_removes_nobody_for_one_lease() -> None:
    instances = KnownInstances()
    instances.learn(listing("a", "users:1", "orders:2"), now=0)
    instances.learn(listing("b"), now=100)
    instances.learn(listing("b", "orders:2"), now=100 + LEASE - 0.1)
    before = known(instances)
    instances.learn(listing("b", "orders:2"), now=100 + LEASE)

    assert before == {"users:1", "orders:2"}
    assert known(instances) == {"orders:2"}


def test_nobody_is_forgotten_while_the_new_registry_says_nothing() -> None:
    instances = KnownInstances()
    instances.learn(listing("a", "users:1"), now=0)
    instances.learn(listing("b"), now=100)

    assert instances.seconds_to_settle(now=1000) == 0
    assert known(instances) == {"users:1"}


def test_a_registry_that_starts_again_and_again_forgets_nobody() -> None:
    instances = KnownInstances()
    instances.learn(listing("a", "users:1"), now=0)
    for n in range(10):
        instances.learn(listing(f"b{n}"), now=10.0 * n)

    assert known(instances) == {"users:1"}


def test_who_came_back_in_the_new_epoch_and_left_is_gone_at_once() -> None:
    instances = KnownInstances()
    instances.learn(listing("a", "users:1", "users:2"), now=0)
    instances.learn(listing("b", "users:1"), now=1)
    instances.learn(listing("b"), now=2)

    assert known(instances) == {"users:2"}


def test_a_place_taken_over_by_another_service_is_not_carried_over() -> None:
    instances = KnownInstances()
    instances.learn(listing("a", "users:1"), now=0)
    instances.learn(listing("b", "orders:1"), now=1)

    assert known(instances) == {"orders:1"}


def test_who_comes_back_is_known_by_the_new_id_alone() -> None:
    instances = KnownInstances()
    instances.learn(listing("a", "users:1"), now=0)
    instances.learn(listing("b", "users:1"), now=1)

    assert [one.id for one in instances.instances("users")] == ["b-users:1"]


def test_the_list_is_the_same_object_until_it_changes() -> None:
    instances = KnownInstances()
    instances.learn(listing("a", "users:1"), now=0)
    before = instances.instances("users")
    instances.learn(listing("a", "users:1", "orders:2"), now=1)
    unchanged = instances.instances("users")
    instances.learn(listing("a", "users:1", "users:3"), now=2)

    assert unchanged is before
    assert instances.instances("users") is not before


def test_settling_takes_one_lease_and_only_when_somebody_is_carried_over() -> None:
    instances = KnownInstances()
    at_first = instances.seconds_to_settle(0)
    instances.learn(listing("a", "users:1"), now=0)
    with_nobody_missing = instances.seconds_to_settle(0)
    instances.learn(listing("b"), now=100)

    assert (at_first, with_nobody_missing, instances.seconds_to_settle(104)) == (None, None, LEASE - 4)


lists = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sets(st.sampled_from(["users:1", "users:2", "orders:3", "orders:1"])),
        st.floats(0.0, 20.0),
    ),
    min_size=1,
)


@given(history=lists)
def test_whatever_registries_tell_the_latest_list_is_known_and_no_address_twice(
    history: list[tuple[str, set[str], float]],
) -> None:
    instances = KnownInstances()
    now = 0.0
    for epoch, running, pause in history:
        now += pause
        told = set({instance.split(":")[1]: instance for instance in sorted(running)}.values())
        instances.learn(listing(epoch, *sorted(told)), now)

        addresses = [instance.split(":")[1] for instance in known(instances)]
        assert told <= known(instances)
        assert len(set(addresses)) == len(addresses)
