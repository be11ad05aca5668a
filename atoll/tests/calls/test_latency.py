"""How quickly an instance has answered lately."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.calls.latency import DECAY_SECONDS, Latency


def test_nothing_is_expected_before_the_first_answer() -> None:
    assert Latency().at(100.0) == 0.0


def test_the_first_answer_is_what_to_expect() -> None:
    latency = Latency()
    latency.observe(0.2, 100.0)

    assert latency.at(100.0) == pytest.approx(0.2)


def test_one_slow_answer_among_many_changes_little() -> None:
    latency = Latency()
    for number in range(1000):
        latency.observe(0.001, 100.0 + number / 1000)
    latency.observe(0.2, 101.0)

    assert 0.001 < latency.at(101.0) < 0.01


def test_many_slow_answers_change_it() -> None:
    latency = Latency()
    latency.observe(0.001, 100.0)
    for _ in range(100):
        latency.observe(0.2, 100.1)

    assert latency.at(100.1) > 0.19


def test_what_is_long_ago_counts_little() -> None:
    latency = Latency()
    latency.observe(2.0, 100.0)

    assert latency.at(100.0 + DECAY_SECONDS) == pytest.approx(2.0 / 2.718, rel=0.01)
    assert latency.at(100.0 + 20 * DECAY_SECONDS) < 0.001


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 100)), min_size=1))
def test_it_is_never_outside_of_what_was_seen(answers: list[tuple[float, float]]) -> None:
    latency, now = Latency(), 0.0
    for seconds, pause in answers:
        now += pause
        latency.observe(seconds, now)

    assert -1e-9 <= latency.at(now) <= max(seconds for seconds, _ in answers) + 1e-9
