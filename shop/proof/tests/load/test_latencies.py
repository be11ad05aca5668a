import random

import pytest

from shop_proof.load.latencies import Latencies


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.99, 1.0])
def test_a_quantile_is_at_most_one_percent_too_high(share: float) -> None:
    chance = random.Random(7)  # noqa: S311 - a test to be repeated
    values = sorted(chance.lognormvariate(-5, 1.5) for _ in range(10_000))
    latencies = Latencies()
    for value in values:
        latencies.add(value)
    exact = values[round(share * len(values)) - 1]

    assert exact <= latencies.quantile(share) <= exact * 1.01
    assert values[-1] == latencies.highest == latencies.quantile(1.0)


def test_without_any_everything_is_zero() -> None:
    assert (0.0, 0.0, 0) == (Latencies().quantile(0.5), Latencies().highest, Latencies().count)


def test_nothing_at_all_is_a_latency_as_well() -> None:
    latencies = Latencies()
    latencies.add(0.0)

    assert (1, 0.0) == (latencies.count, latencies.quantile(0.5))
