"""Limits hold in every window, and a refused caller is told the truth about when to come back."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.limits.limiter import LocalLimiter
from atoll.limits.policy import Decision, LimitPolicy, strictest
from atoll.limits.sliding_window import SLOTS, SlidingWindow

POLICY = LimitPolicy("default", quota=10, window=60.0)

pauses = st.floats(0, 40, allow_nan=False)
requests = st.lists(st.tuples(pauses, st.integers(1, 4)), max_size=120)


@dataclass
class SteppedClock:
    """Only the monotonic half is asked for here."""

    moment: float = 1000.0

    def monotonic(self) -> float:
        return self.moment


def passed(window: SlidingWindow, asked: list[tuple[float, int]]) -> list[tuple[float, int]]:
    now, through = 1000.0, []
    for pause, cost in asked:
        now += pause
        if window.take(now, cost).allowed:
            through.append((now, cost))
    return through


@given(requests)
def test_no_window_of_the_policys_length_holds_more_than_the_quota(asked: list[tuple[float, int]]) -> None:
    through = passed(SlidingWindow(POLICY), asked)

    for start, _ in through:
        in_window = sum(cost for at, cost in through if start <= at < start + POLICY.window)
        assert in_window <= POLICY.quota


@given(requests)
def test_a_request_is_refused_only_when_an_exact_log_with_one_slot_more_would_refuse(
    asked: list[tuple[float, int]],
) -> None:
    window, now, through = SlidingWindow(POLICY), 1000.0, list[tuple[float, int]]()
    slot = POLICY.window / SLOTS

    for pause, cost in asked:
        now += pause
        decision = window.take(now, cost)
        recent = sum(spent for at, spent in through if at > now - POLICY.window - slot - 1e-6)
        if decision.allowed:
            through.append((now, cost))
        else:
            assert recent + cost > POLICY.quota


@given(requests, st.integers(1, 10))
def test_whoever_waits_as_told_gets_through(asked: list[tuple[float, int]], cost: int) -> None:
    window = SlidingWindow(POLICY)
    passed(window, asked)
    now = 1000.0 + sum(pause for pause, _ in asked)

    decision = window.take(now, cost)

    assert decision.allowed or window.take(now + decision.retry_after + 1e-6, cost).allowed


@given(requests)
def test_after_reset_the_whole_quota_is_free_again(asked: list[tuple[float, int]]) -> None:
    window = SlidingWindow(POLICY)
    passed(window, asked)
    now = 1000.0 + sum(pause for pause, _ in asked)
    reset = window.take(now, 0).reset

    assert POLICY.quota == window.take(now + reset + 1e-6, 0).remaining


def test_a_large_quota_needs_no_more_memory_than_a_small_one() -> None:
    window = SlidingWindow(LimitPolicy("large", quota=1_000_000, window=60.0))
    for request in range(10_000):
        window.take(1000.0 + request * 0.01)

    assert len(window._slots) <= SLOTS + 2


def test_a_refusal_costs_nothing() -> None:
    window = SlidingWindow(POLICY)
    window.take(0.0, 8)
    for _ in range(5):
        assert not window.take(1.0, 3).allowed

    assert window.take(1.0, 2).allowed


def test_a_cost_above_the_quota_never_passes_and_says_so() -> None:
    decision = SlidingWindow(POLICY).take(0.0, 11)

    assert not decision.allowed
    assert decision.retry_after == float("inf")
    assert "Retry-After" not in decision.headers()


def test_headers_follow_the_draft() -> None:
    window = SlidingWindow(POLICY)
    allowed = window.take(0.0, 9)
    refused = window.take(0.5, 2)

    assert allowed.headers()["RateLimit-Policy"] == '"default";q=10;w=60'
    assert allowed.headers()["RateLimit"] == '"default";r=1;t=61'
    assert refused.headers()["Retry-After"] == "61"


def test_callers_do_not_share_a_window() -> None:
    limiter = LocalLimiter(SteppedClock())  # type: ignore[arg-type] # needs only monotonic()
    for _ in range(10):
        limiter.take(POLICY, "a")

    assert not limiter.take(POLICY, "a").allowed
    assert limiter.take(POLICY, "b").allowed


def test_callers_beyond_the_bound_share_one_window_until_others_are_quiet() -> None:
    clock = SteppedClock()
    limiter = LocalLimiter(clock, max_callers=2)  # type: ignore[arg-type] # needs only monotonic()
    limiter.take(POLICY, "a")
    limiter.take(POLICY, "b")
    crowd = [limiter.take(POLICY, f"stranger-{number}").allowed for number in range(12)]

    assert crowd == [True] * 10 + [False] * 2

    clock.moment += 2 * POLICY.window
    assert limiter.take(POLICY, "c").remaining == POLICY.quota - 1


@pytest.mark.parametrize(
    ("name", "quota", "window"),
    [("", 1, 1.0), ("two words", 1, 1.0), ("ä", 1, 1.0), ("a", 0, 1.0), ("a", 1, 0.0), ("a", 1, 90_000.0)],
)
def test_a_policy_that_makes_no_sense_is_refused(name: str, quota: int, window: float) -> None:
    with pytest.raises(ValueError, match=r"limit"):
        LimitPolicy(name, quota, window)


def test_the_strictest_decision_is_the_one_to_tell_of() -> None:
    wide = LimitPolicy("wide", 100, 60)
    free = Decision(wide, allowed=True, remaining=90, reset=10)
    tight = Decision(POLICY, allowed=True, remaining=1, reset=10)
    refused = Decision(wide, allowed=False, remaining=0, reset=10, retry_after=5)
    refused_for_long = Decision(POLICY, allowed=False, remaining=0, reset=10, retry_after=50)

    assert tight == strictest([free, tight])
    assert refused_for_long == strictest([free, refused, refused_for_long])
