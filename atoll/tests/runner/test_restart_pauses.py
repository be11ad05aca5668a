import random

import pytest

from atoll.runner.restart_pauses import RestartPauses


class NoChance(random.Random):
    """Always the longest pause."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_pauses_double_from_a_fifth_of_a_second_to_ten_seconds() -> None:
    pauses = RestartPauses(NoChance())

    assert [pauses.after(1.0) for _ in range(8)] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_a_stable_minute_brings_back_the_first_pause() -> None:
    pauses = RestartPauses(NoChance())
    for _ in range(5):
        pauses.after(0.0)

    assert pauses.after(60.0) == 0.2


@pytest.mark.parametrize("seed", range(5))
def test_chance_shortens_a_pause_by_a_quarter_at_most(seed: int) -> None:
    pause = RestartPauses(random.Random(seed)).after(0.0)  # noqa: S311 - repeatable chance

    assert 0.15 <= pause <= 0.2
