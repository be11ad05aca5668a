"""Sliding windows against lists that forget nothing."""

from hypothesis import given
from hypothesis import strategies as st

from atoll.resilience import CountWindow, SlidingWindow, TimeWindow

CALLS = st.lists(st.tuples(st.floats(0, 4), st.booleans(), st.booleans()), max_size=60)


def sums(window: SlidingWindow) -> tuple[int, int, int]:
    return window.calls, window.failures, window.slow_calls


@given(size=st.integers(1, 10), calls=CALLS)
def test_a_count_window_holds_the_last_calls(size: int, calls: list[tuple[float, bool, bool]]) -> None:
    window = CountWindow(size)
    for _, failed, slow in calls:
        window.record(0.0, failed=failed, slow=slow)

    last = calls[-size:]
    assert sums(window) == (len(last), sum(call[1] for call in last), sum(call[2] for call in last))


@given(seconds=st.integers(1, 10), pauses=CALLS, idle=st.floats(0, 30))
def test_a_time_window_holds_the_last_seconds(
    seconds: int, pauses: list[tuple[float, bool, bool]], idle: float
) -> None:
    window = TimeWindow(seconds)
    now, calls = 1000.0, []
    for pause, failed, slow in pauses:
        now += pause
        window.record(now, failed=failed, slow=slow)
        calls.append((int(now), failed, slow))
    now += idle
    window.forget_old(now)

    counted = [call for call in calls if call[0] > int(now) - seconds]
    assert sums(window) == (len(counted), sum(call[1] for call in counted), sum(call[2] for call in counted))


def test_a_cleared_window_is_empty() -> None:
    for window in (CountWindow(3), TimeWindow(3)):
        window.record(1.0, failed=True, slow=True)
        window.clear()

        assert sums(window) == (0, 0, 0)
