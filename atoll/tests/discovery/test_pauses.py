import random

from atoll.discovery.pauses import Pauses


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - jitter is no secret


def test_pauses_grow_to_their_longest_and_are_never_nothing() -> None:
    pauses = Pauses(first=0.1, longest=5.0, chance=seeded(1))
    taken = [pauses.next() for _ in range(10)]
    bounds = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 5.0]

    assert all(bound / 2 <= pause <= bound for pause, bound in zip(taken, bounds, strict=True))


def test_after_a_success_pauses_are_short_again() -> None:
    pauses = Pauses(first=0.1, longest=5.0, chance=seeded(1))
    for _ in range(10):
        pauses.next()
    pauses.reset()

    assert pauses.next() <= 0.1


def test_those_who_failed_together_do_not_come_back_together() -> None:
    first_pauses = {Pauses(chance=seeded(seed)).next() for seed in range(20)}

    assert len(first_pauses) == 20
