"""The power of two choices."""

import random
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from atoll.calls.load_balancer import InOrder, PowerOfTwoChoices


@dataclass(eq=False)
class Instance:
    in_flight: int = 0

    def load(self) -> float:
        return self.in_flight


def test_the_only_candidate_is_chosen() -> None:
    only = Instance(in_flight=100)

    assert PowerOfTwoChoices().choose([only]) is only


def test_of_two_the_one_with_less_in_flight_is_chosen() -> None:
    busy, free = Instance(in_flight=2), Instance(in_flight=1)
    balancer = PowerOfTwoChoices()

    assert all(balancer.choose([busy, free]) is free for _ in range(100))


def test_load_spreads_evenly_over_many() -> None:
    instances = [Instance() for _ in range(10)]
    balancer = PowerOfTwoChoices(random.Random(1))  # noqa: S311 - any choice will do

    for _ in range(1000):
        balancer.choose(instances).in_flight += 1

    assert all(95 <= instance.in_flight <= 105 for instance in instances)


@pytest.mark.parametrize("count", [2, 3])
def test_equals_are_chosen_by_chance(count: int) -> None:
    instances = [Instance() for _ in range(count)]
    balancer = PowerOfTwoChoices(random.Random(1))  # noqa: S311 - any choice will do

    chosen = Counter(id(balancer.choose(instances)) for _ in range(300))

    assert len(chosen) == count


@given(st.lists(st.integers(0, 100), min_size=2, max_size=20, unique=True), st.integers())
def test_the_one_with_the_most_to_do_is_never_chosen(loads: list[int], seed: int) -> None:
    instances = [Instance(load) for load in loads]
    balancer = PowerOfTwoChoices(random.Random(seed))  # noqa: S311 - any choice will do

    assert all(balancer.choose(instances).in_flight < max(loads) for _ in range(20))


def test_in_order_the_first_is_chosen_whatever_it_has_to_do() -> None:
    first, second = Instance(in_flight=100), Instance()

    assert InOrder().choose([first, second]) is first


class BalancerMachine(RuleBasedStateMachine):
    """Calls that begin and end in any order, at instances that come and go: nobody is far ahead of the others."""

    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.instances = [Instance() for _ in range(4)]
        self.balancer = PowerOfTwoChoices(random.Random(1))  # noqa: S311 - any choice will do

    @rule(target=calls)
    def begin(self) -> Instance:
        chosen = self.balancer.choose(self.instances)
        others = [instance for instance in self.instances if instance is not chosen]

        assert len(others) == len(self.instances) - 1
        assert chosen.in_flight <= max(other.in_flight for other in others)
        chosen.in_flight += 1
        return chosen

    @rule(call=consumes(calls))
    def end(self, call: Instance) -> None:
        call.in_flight -= 1

    @rule()
    def replace_one(self) -> None:
        self.instances = [*self.instances[1:], Instance()]

    @invariant()
    def nothing_is_below_nothing(self) -> None:
        assert all(instance.in_flight >= 0 for instance in self.instances)


TestBalancer = BalancerMachine.TestCase
