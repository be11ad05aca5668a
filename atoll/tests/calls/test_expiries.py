"""One timer for everybody who waits: each gives up at its own moment, and nobody who waits no more."""

import asyncio
import math

from hypothesis import given
from hypothesis import strategies as st

from atoll.calls.expiries import Expiries


class Waiter:
    """Notes when it expired, and that it did so once."""

    def __init__(self) -> None:
        self.expired_at = math.inf
        self.expired = asyncio.Event()

    def expire(self) -> None:
        assert not self.expired.is_set()
        self.expired_at = asyncio.get_running_loop().time()
        self.expired.set()


async def test_each_expires_at_its_own_moment_whatever_the_order() -> None:
    expiries, now = Expiries(), asyncio.get_running_loop().time()
    waiters = {seconds: Waiter() for seconds in (0.06, 0.02, 0.04)}
    for seconds, waiter in waiters.items():
        expiries.set(waiter, now + seconds)
    await asyncio.gather(*(waiter.expired.wait() for waiter in waiters.values()))

    assert sorted(waiters, key=lambda seconds: waiters[seconds].expired_at) == sorted(waiters)
    assert all(waiter.expired_at >= now + seconds - 0.002 for seconds, waiter in waiters.items())


async def test_one_that_waits_no_more_never_expires() -> None:
    expiries, now = Expiries(), asyncio.get_running_loop().time()
    gone, still_there = Waiter(), Waiter()
    expiries.set(gone, now + 0.01)
    expiries.set(still_there, now + 0.02)
    expiries.clear(gone)
    expiries.clear(gone)
    await still_there.expired.wait()

    assert not gone.expired.is_set()


async def test_a_moment_that_is_set_again_replaces_the_one_before() -> None:
    expiries, now = Expiries(), asyncio.get_running_loop().time()
    put_off, brought_forward = Waiter(), Waiter()
    expiries.set(put_off, now + 0.01)
    expiries.set(put_off, now + 60.0)
    expiries.set(brought_forward, now + 60.0)
    expiries.set(brought_forward, now + 0.03)
    await brought_forward.expired.wait()

    assert not put_off.expired.is_set()


async def test_one_that_expires_may_end_another_and_begin_anew() -> None:
    expiries, now = Expiries(), asyncio.get_running_loop().time()
    other = Waiter()

    class Again(Waiter):
        def expire(self) -> None:
            super().expire()
            expiries.clear(other)
            expiries.set(last, now)

    again, last = Again(), Waiter()
    expiries.set(again, now + 0.01)
    expiries.set(other, now + 0.01)
    await last.expired.wait()

    assert again.expired.is_set()
    assert not other.expired.is_set()


async def test_after_closing_nobody_expires() -> None:
    expiries, now = Expiries(), asyncio.get_running_loop().time()
    waiter = Waiter()
    expiries.set(waiter, now + 0.01)
    expiries.close()
    await asyncio.sleep(0.03)

    assert not waiter.expired.is_set()


@given(st.lists(st.integers(0, 30), max_size=20), st.sets(st.integers(0, 19)))
def test_of_any_number_exactly_those_who_still_wait_expire(millis: list[int], gone: set[int]) -> None:
    async def run() -> list[bool]:
        expiries, now = Expiries(), asyncio.get_running_loop().time()
        waiters = [Waiter() for _ in millis]
        for waiter, milli in zip(waiters, millis, strict=True):
            expiries.set(waiter, now + milli / 1000)
        for index in gone & set(range(len(waiters))):
            expiries.clear(waiters[index])
        staying = [each for index, each in enumerate(waiters) if index not in gone]
        await asyncio.gather(*(each.expired.wait() for each in staying))
        return [each.expired.is_set() for each in waiters]

    assert asyncio.run(run()) == [index not in gone for index in range(len(millis))]
