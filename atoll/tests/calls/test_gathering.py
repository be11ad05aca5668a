"""Askers go together, and each gets its own answer."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll import context
from atoll.calls import CallTimeout, Gathering, NoInstances
from atoll.context import RequestContext
from atoll.observability.tracing import TraceContext
from atoll.testing.clock import ManualClock


class Doubling:
    """Answers each number with its double, as soon as it is let."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.traces: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self._may_answer = asyncio.Event()

    async def __call__(self, numbers: Sequence[int]) -> Sequence[int]:
        self.calls.append(list(numbers))
        request = context.current.get()
        self.traces.append("" if request is None else request.trace.trace_id)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self._may_answer.wait()
        finally:
            self.at_once -= 1
        return [2 * number for number in numbers]

    def answer(self) -> None:
        self._may_answer.set()


@asynccontextmanager
async def asking(gathering: Gathering[int, int], *numbers: int) -> AsyncIterator[list["asyncio.Task[int]"]]:
    tasks = [asyncio.create_task(gathering.ask(number)) for number in numbers]
    await turn()
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def turn() -> None:
    """Let everything that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


@contextmanager
def in_hand(*, trace: str, deadline: float | None) -> Any:
    token = context.current.set(RequestContext(TraceContext(trace, "1" * 16), "request", deadline))
    try:
        yield
    finally:
        context.current.reset(token)


async def test_one_who_is_alone_is_asked_for_at_once() -> None:
    doubling = Doubling()
    doubling.answer()

    assert await Gathering("doubling", doubling).ask(21) == 42


async def test_those_who_ask_in_the_same_turn_are_in_one_call() -> None:
    doubling = Doubling()
    doubling.answer()
    gathering = Gathering("doubling", doubling)

    assert await asyncio.gather(*(gathering.ask(number) for number in range(5))) == [0, 2, 4, 6, 8]
    assert doubling.calls == [[0, 1, 2, 3, 4]]


async def test_who_asks_while_a_call_is_under_way_goes_with_the_next() -> None:
    doubling = Doubling()
    gathering = Gathering("doubling", doubling)
    async with asking(gathering, 1) as first, asking(gathering, 2, 3) as others:
        assert doubling.calls == [[1]]
        doubling.answer()

        assert await asyncio.gather(*first, *others) == [2, 4, 6]
    assert doubling.calls == [[1], [2, 3]]


async def test_a_call_is_for_no_more_than_it_may_be() -> None:
    doubling = Doubling()
    doubling.answer()
    gathering = Gathering("doubling", doubling, at_once=2)

    await asyncio.gather(*(gathering.ask(number) for number in range(5)))

    assert doubling.calls == [[0, 1], [2, 3], [4]]


async def test_no_more_calls_are_under_way_than_may_be() -> None:
    doubling = Doubling()
    gathering = Gathering("doubling", doubling, at_once=1, under_way=3)
    async with asking(gathering, *range(10)) as tasks:
        assert doubling.at_once == 3
        doubling.answer()
        await asyncio.gather(*tasks)

    assert doubling.most_at_once == 3
    assert len(doubling.calls) == 10


async def test_what_a_call_raises_each_of_its_askers_gets_and_nobody_else() -> None:
    failing = True

    async def ask(numbers: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(0)
        if failing:
            raise NoInstances(service="doubling")
        return numbers

    gathering = Gathering("doubling", ask)
    outcomes = await asyncio.gather(gathering.ask(1), gathering.ask(2), return_exceptions=True)
    failing = False

    assert [type(outcome) for outcome in outcomes] == [NoInstances, NoInstances]
    assert await gathering.ask(3) == 3


async def test_an_answer_for_somebody_who_never_asked_is_no_answer() -> None:
    async def ask(numbers: Sequence[int]) -> Sequence[int]:
        return [*numbers, 0]

    with pytest.raises(RuntimeError, match="asked for 1 things, and gave 2 answers"):
        await Gathering("doubling", ask).ask(1)


async def test_who_has_gone_before_the_call_is_not_asked_for() -> None:
    doubling = Doubling()
    gathering = Gathering("doubling", doubling)
    async with asking(gathering, 1) as first, asking(gathering, 2, 3) as (gone, staying):
        gone.cancel()
        doubling.answer()

        assert [await first[0], await staying] == [2, 6]
    assert doubling.calls == [[1], [3]]


async def test_who_goes_during_the_call_leaves_the_others_their_answers() -> None:
    doubling = Doubling()
    gathering = Gathering("doubling", doubling)
    async with asking(gathering, 1, 2) as (gone, staying):
        gone.cancel()
        await turn()
        doubling.answer()

        assert await staying == 4


async def test_an_asker_whose_time_is_up_waits_no_longer_than_that() -> None:
    clock = ManualClock()
    doubling = Doubling()
    gathering = Gathering("doubling", doubling, clock=clock)
    with in_hand(trace="a" * 32, deadline=clock.monotonic() + 0.01):
        hasty = asyncio.create_task(gathering.ask(1))
    async with asking(gathering, 2) as (patient,):
        with pytest.raises(CallTimeout):
            await hasty
        doubling.answer()

        assert await patient == 4


@pytest.mark.parametrize("waiting_before", [False, True])
async def test_a_timeout_tells_whether_anything_was_sent(waiting_before: bool) -> None:
    clock = ManualClock()
    doubling = Doubling()
    gathering = Gathering("doubling", doubling, clock=clock)
    async with asking(gathering, *([1] if waiting_before else [])):
        with in_hand(trace="a" * 32, deadline=clock.monotonic() + 0.01), pytest.raises(CallTimeout) as caught:
            await gathering.ask(2)
        doubling.answer()
        await turn()

    assert caught.value.nothing_was_sent is waiting_before


async def test_a_call_is_in_the_trace_of_who_has_the_most_time() -> None:
    clock = ManualClock()
    doubling = Doubling()
    doubling.answer()
    gathering = Gathering("doubling", doubling, clock=clock)
    tasks = []
    for trace, seconds in (("a" * 32, 1.0), ("b" * 32, 3.0), ("c" * 32, 2.0)):
        with in_hand(trace=trace, deadline=clock.monotonic() + seconds):
            tasks.append(asyncio.create_task(gathering.ask(1)))
    await asyncio.gather(*tasks)

    assert doubling.traces == ["b" * 32]


@pytest.mark.parametrize(("at_once", "under_way"), [(0, 1), (1, 0)])
def test_bounds_that_let_nobody_through_are_refused(at_once: int, under_way: int) -> None:
    with pytest.raises(ValueError, match="below 1"):
        Gathering("doubling", Doubling(), at_once=at_once, under_way=under_way)


@given(
    arrivals=st.lists(st.lists(st.integers(0, 99), max_size=6), max_size=8),
    at_once=st.integers(1, 5),
    under_way=st.integers(1, 3),
)
async def test_everyone_gets_their_own_answer_once(arrivals: list[list[int]], at_once: int, under_way: int) -> None:
    asked: list[int] = []

    async def double(numbers: Sequence[int]) -> Sequence[int]:
        assert 0 < len(numbers) <= at_once
        asked.extend(numbers)
        await asyncio.sleep(0)
        return [2 * number for number in numbers]

    gathering = Gathering("doubling", double, at_once=at_once, under_way=under_way)
    tasks = []
    for numbers in arrivals:
        tasks += [asyncio.create_task(gathering.ask(number)) for number in numbers]
        await asyncio.sleep(0)
    answers = await asyncio.wait_for(asyncio.gather(*tasks), math.inf)

    wanted = [number for numbers in arrivals for number in numbers]
    assert [2 * number for number in wanted] == answers
    assert sorted(wanted) == sorted(asked)
