"""The circuit breaker: examples worked out by hand from what others document, and a machine that tries everything."""

import asyncio
import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from atoll.resilience import (
    CallNotPermittedError,
    CircuitBreaker,
    CircuitBreakerPolicy,
    CircuitState,
    Permit,
    StateChange,
)
from atoll.testing.clock import ManualClock

RATES_ONLY = CircuitBreakerPolicy(consecutive_failures=0)


def breaker_of(policy: CircuitBreakerPolicy, clock: ManualClock | None = None) -> CircuitBreaker:
    return CircuitBreaker(policy, clock=clock or ManualClock(), chance=random.Random(1))  # noqa: S311 - any jitter


def state(breaker: CircuitBreaker) -> CircuitState:
    return breaker.state


def calls(breaker: CircuitBreaker, outcomes: str, seconds: float = 0.01) -> None:
    """One call for each letter: `.` went well, `x` failed, `s` was slow."""
    for outcome in outcomes:
        permit = breaker.acquire()
        breaker.record(permit, failed=outcome == "x", seconds=60.0 if outcome == "s" else seconds)


async def opened(clock: ManualClock, policy: CircuitBreakerPolicy = CircuitBreakerPolicy()) -> CircuitBreaker:  # noqa: B008 - frozen
    breaker = breaker_of(policy, clock)
    calls(breaker, "xxxxx")
    assert state(breaker) is CircuitState.OPEN
    return breaker


# Resilience4j, "CircuitBreaker": https://resilience4j.readme.io/docs/circuitbreaker


def test_resilience4j_nine_failures_do_not_open_it_when_ten_calls_are_the_minimum() -> None:
    """ "if minimumNumberOfCalls is 10, then at least 10 calls must be recorded, before the failure rate can be
    calculated. If only 9 calls have been recorded the CircuitBreaker will not transition to open even if all 9
    calls have failed." """
    breaker = breaker_of(CircuitBreakerPolicy(consecutive_failures=0, minimum_number_of_calls=10))

    calls(breaker, "x" * 9)
    assert (state(breaker), breaker.failure_rate) == (CircuitState.CLOSED, None)

    calls(breaker, ".")
    assert state(breaker) is CircuitState.OPEN


def test_resilience4j_the_rate_opens_it_when_it_is_equal_to_the_threshold() -> None:
    """ "changes from CLOSED to OPEN when the failure rate is equal or greater than a configurable threshold" """
    policy = CircuitBreakerPolicy(consecutive_failures=0, minimum_number_of_calls=10, window_calls=10)
    below, at = breaker_of(policy), breaker_of(policy)

    calls(below, "......xxxx")
    calls(at, ".....xxxxx")

    assert (state(below), below.failure_rate) == (CircuitState.CLOSED, 0.4)
    assert at.state is CircuitState.OPEN


def test_resilience4j_slow_calls_open_it_as_failures_do() -> None:
    policy = CircuitBreakerPolicy(minimum_number_of_calls=10, slow_call_duration=2.0)
    breaker = breaker_of(policy)

    calls(breaker, ".....ssss")
    assert state(breaker) is CircuitState.CLOSED

    calls(breaker, "s")
    assert state(breaker) is CircuitState.OPEN


def test_resilience4j_a_count_window_forgets_the_oldest_call() -> None:
    """ "If the count window size is 10, the circular array has always 10 measurements." """
    policy = CircuitBreakerPolicy(consecutive_failures=0, minimum_number_of_calls=10, window_calls=10)
    breaker = breaker_of(policy)

    calls(breaker, "xxxx" + "......" + "....")

    assert breaker.failure_rate == 0.0


async def test_resilience4j_a_time_window_forgets_second_by_second() -> None:
    """ "If the time window size is 10 seconds, the circular array has always 10 partial aggregations." """
    clock = ManualClock()
    breaker = breaker_of(CircuitBreakerPolicy(consecutive_failures=0, minimum_number_of_calls=1), clock)
    breaker.disable()
    breaker.reset()
    calls(breaker, "..")
    calls(breaker, ".x")
    await clock.advance(9.0)
    assert breaker.failure_rate == 0.25

    await clock.advance(1.0)
    assert breaker.failure_rate is None


def test_resilience4j_half_open_permits_a_number_of_calls_and_refuses_all_others() -> None:
    """ "After a wait time duration has elapsed, the CircuitBreaker state changes from OPEN to HALF_OPEN and
    permits a configurable number of calls ... Further calls are rejected with a CallNotPermittedException,
    until all permitted calls have completed." """
    policy = CircuitBreakerPolicy(permitted_calls_in_half_open=10)
    breaker = breaker_of(policy)
    calls(breaker, "xxxxx")
    breaker.let_probe()

    permits = [breaker.acquire() for _ in range(10)]
    with pytest.raises(CallNotPermittedError):
        breaker.acquire()
    for number, permit in enumerate(permits):
        assert state(breaker) is CircuitState.HALF_OPEN
        breaker.record(permit, failed=number < 4)  # 40 % < 50 %

    assert state(breaker) is CircuitState.CLOSED


def test_resilience4j_half_open_opens_again_when_the_rate_is_reached() -> None:
    breaker = breaker_of(CircuitBreakerPolicy(permitted_calls_in_half_open=10))
    calls(breaker, "xxxxx")
    breaker.let_probe()

    calls(breaker, "xxxxx.....")

    assert state(breaker) is CircuitState.OPEN


def test_resilience4j_forced_open_refuses_and_disabled_permits_everything_and_neither_counts() -> None:
    breaker = breaker_of(CircuitBreakerPolicy())
    breaker.force_open()
    with pytest.raises(CallNotPermittedError, match="forced-open"):
        breaker.acquire()

    breaker.disable()
    calls(breaker, "x" * 100)
    assert state(breaker) is CircuitState.DISABLED

    breaker.reset()
    calls(breaker, "xxxx")
    assert state(breaker) is CircuitState.CLOSED


# Envoy, "Outlier detection": https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier


def test_envoy_five_failures_in_a_row_open_it_and_one_success_between_begins_anew() -> None:
    """consecutive_5xx: "if an upstream host returns some number of consecutive 5xx, it will be ejected"; 5."""
    broken, flaky = breaker_of(CircuitBreakerPolicy()), breaker_of(CircuitBreakerPolicy())

    calls(flaky, "xxxx.xxxx")
    calls(broken, "xxxx.xxxxx")

    assert (flaky.state, broken.state) == (CircuitState.CLOSED, CircuitState.OPEN)


async def test_envoy_it_is_open_for_longer_each_time_up_to_a_maximum() -> None:
    """base_ejection_time: "multiplied by the number of times the host has been ejected in a row" (we double)."""
    clock = ManualClock()
    changes: list[StateChange] = []
    policy = CircuitBreakerPolicy(open_time=5.0, max_open_time=60.0, jitter=0.0)
    breaker = CircuitBreaker(policy, clock=clock, on_change=changes.append)
    calls(breaker, "xxxxx")
    for _ in range(5):
        await clock.advance(breaker.open_until - clock.monotonic())
        calls(breaker, "x")

    assert [change.open_for for change in changes if change.after is CircuitState.OPEN] == [5, 10, 20, 40, 60, 60]

    await clock.advance(60.0)
    calls(breaker, "." + "xxxxx")
    assert breaker.open_until - clock.monotonic() == 5.0


def test_envoy_jitter_only_lengthens_the_time_that_it_is_open() -> None:
    """max_ejection_time_jitter: "the maximum amount of jitter to add to the ejection time"."""
    for seed in range(100):
        breaker = CircuitBreaker(clock=ManualClock(), chance=random.Random(seed))  # noqa: S311 - the test's own
        calls(breaker, "xxxxx")

        assert 5.0 <= breaker.open_until <= 6.0


def test_envoy_it_stays_closed_while_too_many_others_are_shut_off() -> None:
    """max_ejection_percent: beyond it, no more are ejected, and they go on being judged."""
    allowed = False
    breaker = CircuitBreaker(may_open=lambda: allowed, clock=ManualClock())

    calls(breaker, "x" * 10)
    assert state(breaker) is CircuitState.CLOSED

    allowed = True
    calls(breaker, "x")
    assert state(breaker) is CircuitState.OPEN


# Our own.


async def test_while_it_is_open_nothing_passes_and_the_error_says_when_to_come_back() -> None:
    clock = ManualClock()
    breaker = await opened(clock)
    await clock.advance(1.0)

    with pytest.raises(CallNotPermittedError) as caught:
        breaker.acquire()

    assert caught.value.retry_after == pytest.approx(breaker.open_until - 1.0)
    assert not breaker.permits


async def test_a_cancelled_probe_gives_its_place_to_another() -> None:
    clock = ManualClock()
    breaker = await opened(clock)
    await clock.advance(10.0)

    breaker.release(breaker.acquire())
    calls(breaker, ".")

    assert state(breaker) is CircuitState.CLOSED


async def test_calls_of_an_earlier_state_are_not_counted() -> None:
    clock = ManualClock()
    breaker = breaker_of(CircuitBreakerPolicy(), clock)
    late = [breaker.acquire() for _ in range(3)]
    calls(breaker, "xxxxx")
    await clock.advance(10.0)
    probe = breaker.acquire()
    for permit in late:
        breaker.record(permit, failed=True)
        breaker.release(permit)
    assert state(breaker) is CircuitState.HALF_OPEN

    breaker.record(probe, failed=False)
    assert state(breaker) is CircuitState.CLOSED


async def test_it_guards_any_async_function_as_a_decorator() -> None:
    breaker = CircuitBreaker(name="geocoder", clock=ManualClock())

    @breaker
    async def locate(place: str) -> str:
        if place == "nowhere":
            raise ConnectionError(place)
        return place

    assert await locate("here") == "here"
    for _ in range(5):
        with pytest.raises(ConnectionError):
            await locate("nowhere")
    with pytest.raises(CallNotPermittedError, match="circuit breaker of geocoder is open"):
        await locate("here")


async def test_errors_that_do_not_count_are_answers() -> None:
    breaker = CircuitBreaker(is_failure=lambda error: not isinstance(error, KeyError), clock=ManualClock())

    for _ in range(100):
        with pytest.raises(KeyError):
            async with breaker.guard():
                raise KeyError("no such thing")

    assert state(breaker) is CircuitState.CLOSED


async def test_cancellation_is_neither_failure_nor_success() -> None:
    clock = ManualClock()
    breaker = await opened(clock)
    await clock.advance(10.0)

    async def hang() -> None:
        async with breaker.guard():
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert state(breaker) is CircuitState.HALF_OPEN
    assert breaker.permits


@pytest.mark.parametrize(
    "wrong",
    [
        {"failure_rate_threshold": 0.0},
        {"slow_call_rate_threshold": 1.1},
        {"minimum_number_of_calls": 0},
        {"window_calls": 10},
        {"open_time": 0.0},
        {"open_time": 61.0},
        {"jitter": -0.1},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        CircuitBreakerPolicy(**wrong)  # type: ignore[arg-type]  # int or float, as the field


_MOVES = {
    (CircuitState.CLOSED, CircuitState.OPEN),
    (CircuitState.OPEN, CircuitState.HALF_OPEN),
    (CircuitState.HALF_OPEN, CircuitState.CLOSED),
    (CircuitState.HALF_OPEN, CircuitState.OPEN),
}


class BreakerMachine(RuleBasedStateMachine):
    """Calls that begin and end in any order, and time that passes."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.loop = asyncio.new_event_loop()
        self.changes: list[StateChange] = []
        self.under_way: list[tuple[Permit, CircuitState]] = []
        self.probes = 0

    @initialize(
        consecutive=st.integers(0, 3),
        minimum=st.integers(1, 6),
        probes=st.integers(1, 3),
        by_count=st.booleans(),
    )
    def make(self, consecutive: int, minimum: int, probes: int, by_count: bool) -> None:
        self.policy = CircuitBreakerPolicy(
            consecutive_failures=consecutive,
            minimum_number_of_calls=minimum,
            permitted_calls_in_half_open=probes,
            window_calls=8 if by_count else None,
            window_seconds=3,
        )
        chance = random.Random(1)  # noqa: S311 - the same jitter each time a case is tried again
        self.breaker = CircuitBreaker(self.policy, clock=self.clock, chance=chance, on_change=self._changed)

    def _changed(self, change: StateChange) -> None:
        self.changes.append(change)
        self.probes = 0

    @rule()
    def begin(self) -> None:
        was_open = self.breaker.state is CircuitState.OPEN
        permitted = self.breaker.permits
        time_is_over = self.clock.monotonic() >= self.breaker.open_until

        permit = self.breaker.try_acquire()

        assert permitted == (permit is not None)
        if was_open:
            assert permitted == time_is_over
        if permit is not None:
            self.under_way.append((permit, self.breaker.state))
            self.probes += self.breaker.state is CircuitState.HALF_OPEN

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 1000), failed=st.booleans(), slow=st.booleans())
    def end(self, which: int, failed: bool, slow: bool) -> None:
        permit, _ = self.under_way.pop(which % len(self.under_way))
        self.breaker.record(permit, failed=failed, seconds=9.0 if slow else 0.0)

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 1000))
    def cancel(self, which: int) -> None:
        changes = len(self.changes)
        permit, _ = self.under_way.pop(which % len(self.under_way))
        if permit == self.breaker._permit and self.breaker.state is CircuitState.HALF_OPEN:
            self.probes -= 1
        self.breaker.release(permit)

        assert len(self.changes) == changes

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.0, 7.0, 80.0]))
    def wait(self, seconds: float) -> None:
        self.loop.run_until_complete(self.clock.advance(seconds))

    @rule()
    def some_well(self) -> None:
        """Healthy traffic, so that rates have something to fall with."""
        for _ in range(2):
            self.begin()
            if self.under_way:
                self.breaker.record(self.under_way.pop()[0], failed=False)

    @invariant()
    def it_goes_where_it_may_and_nowhere_else(self) -> None:
        assert all((change.before, change.after) in _MOVES for change in self.changes)

    @invariant()
    def probes_are_bounded(self) -> None:
        assert 0 <= self.probes <= 3
        if self.changes and self.breaker.state is CircuitState.HALF_OPEN:
            assert self.probes <= self.policy.permitted_calls_in_half_open

    @invariant()
    def it_is_open_for_its_time(self) -> None:
        for change in self.changes:
            if change.after is CircuitState.OPEN:
                assert 5.0 <= change.open_for <= 72.0

    @invariant()
    def sums_are_of_what_is_in_the_window(self) -> None:
        if hasattr(self, "breaker"):
            window = self.breaker._window
            assert 0 <= window.failures <= window.calls
            assert 0 <= window.slow_calls <= window.calls

    def teardown(self) -> None:
        self.loop.close()


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
