"""Which instance a call goes to."""

import random
from collections.abc import Sequence
from typing import Protocol, TypeVar


class Candidate(Protocol):
    """An instance that could be called."""

    def load(self) -> float:
        """What a call would have to wait for there; less is better, only the order counts."""


BOTH = 2
"""Candidates that leave no choice of whom to compare."""

C = TypeVar("C", bound=Candidate)


class LoadBalancer(Protocol):
    """Chooses without I/O, in an instant."""

    def choose(self, candidates: Sequence[C]) -> C:
        """One of `candidates`, of which there is at least one."""


class PowerOfTwoChoices:
    """Of two candidates picked by chance the one with less load.

    Nearly as even as asking all, and, unlike it, no herd runs to the one that looked best a moment ago
    (M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001).
    """

    def __init__(self, chance: random.Random | None = None) -> None:
        self._chance = chance or random.Random()  # noqa: S311 - balancing is no secret

    def choose(self, candidates: Sequence[C]) -> C:
        count = len(candidates)
        if count == 1:
            return candidates[0]
        if count == BOTH:
            one, other = candidates
            here, there = one.load(), other.load()
            if here == there:
                return one if self._chance.random() < 0.5 else other
            return one if here < there else other
        first = int(self._chance.random() * count)
        second = int(self._chance.random() * (count - 1))
        one, other = candidates[first], candidates[second + (second >= first)]
        return other if other.load() < one.load() else one


class InOrder:
    """The first of the candidates, as the directory has them; the others stand by.

    For services that want all callers at one place as long as it is there, such as the registry.
    """

    def choose(self, candidates: Sequence[C]) -> C:
        return candidates[0]
