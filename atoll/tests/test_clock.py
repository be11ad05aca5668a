"""Moments as they are stored."""

from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from atoll.clock import from_millis, to_millis

LAST = to_millis(datetime(9999, 12, 31, tzinfo=UTC))


@given(st.integers(0, LAST))
@example(2_147_483_648_003)
def test_a_stored_moment_comes_back_in_any_year(millis: int) -> None:
    assert millis == to_millis(from_millis(millis))


def test_what_is_finer_than_a_millisecond_is_cut_off() -> None:
    assert 1_000 == to_millis(datetime(1970, 1, 1, 0, 0, 1, 999, tzinfo=UTC))
