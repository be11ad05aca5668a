"""The power of two choices."""

import random
from collections import Counter
from dataclasses import dataclass

from atoll.calls.load_balancer import PowerOfTwoChoices


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


def test_equals_are_chosen_by_chance() -> None:
    instances = [Instance() for _ in range(3)]
    balancer = PowerOfTwoChoices(random.Random(1))  # noqa: S311 - any choice will do

    chosen = Counter(id(balancer.choose(instances)) for _ in range(300))

    assert len(chosen) == 3
