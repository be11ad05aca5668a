"""Who is asked, who is left out, and that it is never all of them."""

import asyncio
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from atoll.calls.ejection import most_ejected
from atoll.calls.upstreams import Upstream, Upstreams
from atoll.discovery.instance import ServiceInstance
from atoll.resilience import CircuitState, Permit
from atoll.testing.clock import ManualClock


class Changing:
    """A directory that the test changes."""

    def __init__(self, count: int) -> None:
        self.list: Sequence[ServiceInstance] = ()
        self.have(range(count))

    def have(self, numbers: Sequence[int]) -> None:
        self.list = tuple(ServiceInstance(str(number), "products", "127.0.0.1", 1000 + number) for number in numbers)

    def instances(self, service: str) -> Sequence[ServiceInstance]:
        return self.list


def upstreams_of(count: int, clock: ManualClock | None = None) -> tuple[Upstreams, Changing]:
    directory = Changing(count)
    chance = random.Random(1)  # noqa: S311 - any choice will do
    upstreams = Upstreams(
        "products", directory, connect_timeout=1.0, max_connections=1, clock=clock or ManualClock(), chance=chance
    )
    return upstreams, directory


def fail(upstream: Upstream, times: int = 5) -> None:
    for _ in range(times):
        permit = upstream.breaker.try_acquire()
        assert permit is not None
        upstream.failed(permit, 0.001, penalty=2.0)


@pytest.mark.parametrize(
    ("instances", "ejected"),
    [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (6, 3), (10, 3), (29, 3), (40, 4), (100, 10)],
)
def test_at_most_half_of_few_and_a_tenth_of_many_are_ejected(instances: int, ejected: int) -> None:
    assert most_ejected(instances) == ejected


@given(st.integers(1, 10_000))
def test_never_all_are_ejected(instances: int) -> None:
    assert most_ejected(instances) < instances


async def test_one_that_fails_is_asked_no_more() -> None:
    upstreams, _ = upstreams_of(3)
    broken = upstreams.current()[0]
    fail(broken)

    assert broken not in upstreams.permitted()
    assert all(chosen[0] is not broken for _ in range(100) if (chosen := upstreams.choose()))
    assert upstreams.ejections == 1


async def test_one_alone_is_asked_however_it_fails() -> None:
    upstreams, _ = upstreams_of(1)
    fail(upstreams.current()[0], times=1000)

    assert upstreams.choose() is not None


async def test_an_ejected_one_comes_back_by_a_probe() -> None:
    clock = ManualClock()
    upstreams, _ = upstreams_of(2, clock)
    broken = upstreams.current()[0]
    fail(broken)
    await clock.advance(6.1)
    probe = broken.breaker.try_acquire()
    assert probe is not None
    assert broken not in upstreams.permitted()

    broken.answered(probe, 0.001)
    assert broken in upstreams.permitted()


async def test_when_others_leave_the_ejected_come_back_rather_than_nobody() -> None:
    upstreams, directory = upstreams_of(2)
    broken = upstreams.current()[0]
    fail(broken)
    directory.have([0])

    chosen = upstreams.choose()
    assert chosen is not None
    assert chosen[0] is broken
    assert broken.breaker.state is CircuitState.CLOSED


async def test_an_instance_where_somebody_else_answers_is_left_out_even_when_it_is_alone() -> None:
    upstreams, _ = upstreams_of(1)
    (only,) = upstreams.current()
    upstreams.lose(only)
    assert upstreams.choose() is None

    upstreams.find_again(only)
    assert upstreams.choose() is not None


async def test_one_that_fails_quickly_attracts_no_load() -> None:
    clock = ManualClock()
    upstreams, _ = upstreams_of(3, clock)
    black_hole, *good = upstreams.current()
    fail(black_hole, times=1)  # not ejected yet
    for upstream in good:
        permit = upstream.breaker.acquire()
        upstream.answered(permit, 0.005)

    chosen = [choice[0] for _ in range(300) if (choice := upstreams.choose())]
    assert black_hole in upstreams.permitted()
    assert black_hole not in chosen


async def test_a_slow_one_is_asked_again_after_a_while() -> None:
    clock = ManualClock()
    upstreams, _ = upstreams_of(2, clock)
    slow, quick = upstreams.current()
    slow.answered(slow.breaker.acquire(), 0.5)
    for _ in range(60):
        await clock.advance(1.0)
        quick.answered(quick.breaker.acquire(), 0.005)

    chosen = [choice[0] for _ in range(10) if (choice := upstreams.choose())]
    assert slow in chosen


class EjectionMachine(RuleBasedStateMachine):
    """Instances that come, go, fail and recover, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.loop = asyncio.new_event_loop()
        self.under_way: list[tuple[Upstream, Permit]] = []

    @initialize(count=st.integers(0, 6))
    def make(self, count: int) -> None:
        self.upstreams, self.directory = upstreams_of(count, self.clock)
        self.broken: set[str] = set()

    @rule(numbers=st.lists(st.integers(0, 6), unique=True))
    def change(self, numbers: list[int]) -> None:
        self.directory.have(numbers)

    @rule(number=st.integers(0, 6))
    def break_or_mend(self, number: int) -> None:
        self.broken ^= {str(number)}

    @rule(times=st.integers(1, 12))
    def call(self, times: int) -> None:
        for _ in range(times):
            chosen = self.upstreams.choose()
            assert (chosen is None) == (not self.directory.list)
            if chosen is not None:
                self.finish(*chosen)

    @rule()
    def begin(self) -> None:
        chosen = self.upstreams.choose()
        if chosen is not None:
            self.under_way.append(chosen)

    @precondition(lambda self: self.under_way)
    @rule(cancelled=st.booleans())
    def end(self, cancelled: bool) -> None:
        upstream, permit = self.under_way.pop()
        if cancelled:
            upstream.came_to_nothing(permit)
        else:
            self.finish(upstream, permit)

    def finish(self, upstream: Upstream, permit: Permit) -> None:
        if upstream.instance.id in self.broken:
            upstream.failed(permit, 0.001, penalty=2.0)
        else:
            upstream.answered(permit, 0.001)

    @rule(seconds=st.sampled_from([0.1, 6.1, 80.0]))
    def wait(self, seconds: float) -> None:
        self.loop.run_until_complete(self.clock.advance(seconds))

    @invariant()
    def never_are_too_many_out(self) -> None:
        if hasattr(self, "upstreams"):
            current = self.upstreams.current()
            assert sum(upstream.ejected for upstream in current) <= most_ejected(len(current))

    @invariant()
    def somebody_can_always_be_asked(self) -> None:
        if hasattr(self, "upstreams"):
            assert bool(self.upstreams.permitted()) == bool(self.directory.list)

    def teardown(self) -> None:
        self.loop.close()


TestEjectionMachine = EjectionMachine.TestCase
TestEjectionMachine.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
