"""Several who count together: never more than the quota in any window, whoever asks, or cannot reach the store."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll.clock import SystemClock
from atoll.limits import valkey_quota_store
from atoll.limits.policy import LimitPolicy
from atoll.limits.quota_store import Grant, LocalQuotaStore, QuotaStore, StoreAway, lease_of
from atoll.limits.shared_limiter import SharedLimiter
from atoll.limits.valkey_quota_store import MOST_AT_ONCE, ValkeyQuotaStore
from atoll.testing.clock import ManualClock
from atoll.testing.eventually import eventually
from atoll.testing.valkey_server import ValkeyToBreak, valkey_server

POLICY = LimitPolicy("default", quota=20, window=64.0)
LARGER = LimitPolicy("larger", quota=96, window=64.0)
"""Of which some units are taken ahead; its leases last for a second."""

ANN = "ann"


async def ask(limiter: SharedLimiter, cost: int = 1, *, policy: LimitPolicy = POLICY, caller: str = ANN) -> bool:
    await limiter.prepare(policy, caller, cost)
    return limiter.take(policy, caller, cost).allowed


def most_in_a_window(passed: list[tuple[float, int]], window: float) -> int:
    return max((sum(c for at, c in passed if start <= at < start + window) for start, _ in passed), default=0)


class BreakableStore:
    """A store that can be made to go away."""

    def __init__(self, store: QuotaStore) -> None:
        self._store = store
        self.away = False

    async def take(self, policy: LimitPolicy, caller: str, needed: int, wanted: int) -> Grant:
        self._check()
        return await self._store.take(policy, caller, needed, wanted)

    async def give_back(self, policy: LimitPolicy, caller: str, slot: float, units: int) -> None:
        self._check()
        await self._store.give_back(policy, caller, slot, units)

    async def sharers(self) -> int:
        self._check()
        return await self._store.sharers()

    def _check(self) -> None:
        if self.away:
            raise StoreAway("gone")


steps = st.lists(
    st.tuples(
        st.sampled_from((0.0, 0.0, 0.4, 0.95, 1.1, 31.0, 63.1, 63.9)), st.integers(0, 2), st.sampled_from((1, 1, 2, 90))
    ),
    max_size=60,
)


@given(steps)
@settings(deadline=None)
def test_together_they_never_let_pass_more_than_the_quota(asked: list[tuple[float, int, int]]) -> None:
    async def scenario() -> None:
        clock = ManualClock()
        store = LocalQuotaStore(clock)
        passed: list[tuple[float, int]] = []
        async with AsyncExitStack() as stack:
            limiters = [await stack.enter_async_context(SharedLimiter(store, clock)) for _ in range(3)]
            for pause, who, cost in asked:
                await clock.advance(pause)
                if await ask(limiters[who], cost, policy=LARGER):
                    passed.append((clock.monotonic(), cost))

        assert most_in_a_window(passed, LARGER.window) <= LARGER.quota

    asyncio.run(scenario())


async def test_what_is_spent_late_is_remembered_for_so_much_longer() -> None:
    clock = ManualClock(monotonic=0.95)
    store = LocalQuotaStore(clock)
    passed: list[tuple[float, int]] = []
    async with SharedLimiter(store, clock) as late, SharedLimiter(store, clock) as quick:

        async def spend(limiter: SharedLimiter, units: int) -> None:
            for _ in range(units):
                if await ask(limiter, policy=LARGER):
                    passed.append((clock.monotonic(), 1))

        await spend(late, 1)  # and has two more in hand
        await spend(quick, 96)
        await clock.advance(0.9)
        await spend(late, 2)
        await clock.advance(65.0 - clock.monotonic())
        await spend(quick, 96)

    assert most_in_a_window(passed, LARGER.window) <= LARGER.quota
    assert [at for at, _ in passed].count(1.85) == 2


@given(steps)
@settings(deadline=None)
def test_without_the_store_each_has_its_share(asked: list[tuple[float, int, int]]) -> None:
    async def scenario() -> None:
        clock = ManualClock()
        store = BreakableStore(LocalQuotaStore(clock, sharers=3))
        passed: list[tuple[float, int]] = []
        async with AsyncExitStack() as stack:
            limiters = [await stack.enter_async_context(SharedLimiter(store, clock)) for _ in range(3)]
            await clock.advance(0.1)
            store.away = True
            for pause, who, cost in asked:
                await clock.advance(pause)
                if await ask(limiters[who], cost):
                    passed.append((clock.monotonic(), cost))

        assert most_in_a_window(passed, POLICY.window) <= POLICY.quota

    asyncio.run(scenario())


async def test_who_comes_again_at_once_costs_no_round_trip() -> None:
    policy = LimitPolicy("default", quota=1000, window=900.0)
    clock = ManualClock()
    async with SharedLimiter(LocalQuotaStore(clock), clock) as limiter:
        outcomes = [await ask(limiter, policy=policy) for _ in range(600)]

        assert all(outcomes)
        assert limiter.asked < 12


async def test_nobody_is_refused_what_another_has_taken_ahead_and_not_used() -> None:
    clock = ManualClock()
    store = LocalQuotaStore(clock)
    policy = LimitPolicy("default", quota=100, window=64.0)
    async with SharedLimiter(store, clock) as one, SharedLimiter(store, clock) as other:
        first = await ask(one, policy=policy)
        await clock.advance(3 * lease_of(policy))
        outcomes = [await ask(other, policy=policy) for _ in range(100)]

    assert first
    assert outcomes == [True] * 99 + [False]


async def test_a_refusal_is_remembered_and_true() -> None:
    clock = ManualClock()
    async with SharedLimiter(LocalQuotaStore(clock), clock) as limiter:
        while await ask(limiter):
            pass
        asked = limiter.asked
        refused = limiter.take(POLICY, ANN, 1)
        again = [await ask(limiter) for _ in range(10)]
        asked_again = limiter.asked
        await clock.advance(refused.retry_after)
        after = await ask(limiter)

    assert again == [False] * 10
    assert asked_again == asked
    assert POLICY.window < refused.retry_after <= POLICY.window + 2 * lease_of(POLICY)
    assert after


async def test_the_store_goes_and_comes_back() -> None:
    clock = ManualClock()
    store = BreakableStore(LocalQuotaStore(clock, sharers=2))
    told: list[bool] = []
    async with SharedLimiter(store, clock, on_change=told.append) as limiter:
        await clock.advance(0.1)
        store.away = True
        alone = [await ask(limiter) for _ in range(12)]
        store.away = False
        await clock.advance(2.0)
        together = await ask(limiter)

    assert alone == [True] * 10 + [False] * 2
    assert told == [True, False]
    assert together


class SlowStore(BreakableStore):
    """A store whose every answer takes as long as it is told."""

    def __init__(self, store: QuotaStore, clock: ManualClock, seconds: float) -> None:
        super().__init__(store)
        self._clock = clock
        self._seconds = seconds

    async def take(self, policy: LimitPolicy, caller: str, needed: int, wanted: int) -> Grant:
        grant = await super().take(policy, caller, needed, wanted)
        self._clock.step(self._seconds)
        return grant


async def test_nobody_waits_for_ever_for_a_store_that_answers_later_than_a_lease_lasts() -> None:
    policy = LimitPolicy("quick", quota=5, window=1.0)
    clock = ManualClock()
    async with SharedLimiter(SlowStore(LocalQuotaStore(clock), clock, 2 * lease_of(policy)), clock) as limiter:
        async with asyncio.timeout(5):
            outcomes = [await ask(limiter, policy=policy) for _ in range(7)]

    assert outcomes == [True] * 5 + [False] * 2


@pytest.fixture(params=["memory", "valkey"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[QuotaStore]:
    if request.param == "memory":
        yield LocalQuotaStore(SystemClock())
        return
    async with valkey_server() as server, ValkeyQuotaStore(server.url) as valkey:
        yield valkey


class TestEveryStore:
    async def test_hands_out_what_is_there_and_no_more(self, store: QuotaStore) -> None:
        grants = [await store.take(POLICY, ANN, 1, 8) for _ in range(4)]

        assert [each.units for each in grants] == [8, 8, 4, 0]
        assert [each.remaining for each in grants] == [12, 4, 0, 0]
        assert 64.0 < grants[-1].retry_after <= 66.0
        assert 64.0 < grants[-1].reset <= 66.0

    async def test_gives_all_that_is_needed_or_nothing(self, store: QuotaStore) -> None:
        await store.take(POLICY, ANN, 1, 18)
        grants = [await store.take(POLICY, ANN, needed, needed) for needed in (3, 2, 21)]

        assert [each.units for each in grants] == [0, 2, 0]
        assert grants[2].retry_after == math.inf

    async def test_takes_back_what_it_gave_and_nothing_else(self, store: QuotaStore) -> None:
        grant = await store.take(POLICY, ANN, 1, 20)
        await store.give_back(POLICY, ANN, grant.slot, 5)
        await store.give_back(POLICY, ANN, 12345.0, 5)
        await store.give_back(POLICY, "bob", grant.slot, 5)
        again = await store.take(POLICY, ANN, 1, 20)

        assert again.units == 5

    async def test_counts_callers_and_policies_apart(self, store: QuotaStore) -> None:
        other = LimitPolicy("sign-in", quota=3, window=1.0)
        grants = [await store.take(*each, 1, 99) for each in ((POLICY, ANN), (POLICY, "bob"), (other, ANN))]

        assert [each.units for each in grants] == [20, 20, 3]

    async def test_forgets_after_a_window_and_a_lease(self, store: QuotaStore) -> None:
        quick = LimitPolicy("quick", quota=2, window=2.0)
        first = await store.take(quick, ANN, 1, 2)
        refused = await store.take(quick, ANN, 1, 2)
        await asyncio.sleep(refused.retry_after)
        again = await store.take(quick, ANN, 1, 2)

        assert [first.units, refused.units, again.units] == [2, 0, 2]
        assert refused.retry_after > quick.window


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Callable[[], SharedLimiter]]:
    """Limiters of processes that share the server at `url`, each with a store and a name of its own."""
    from atoll.clock import SystemClock

    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(ValkeyQuotaStore(url)) for _ in range(3)]
        limiters = [await stack.enter_async_context(SharedLimiter(each, SystemClock())) for each in stores]
        yield iter(limiters).__next__


async def test_three_gateways_share_one_limit_through_valkey() -> None:
    policy = LimitPolicy("default", quota=90, window=900.0)
    async with valkey_server() as server, opened(server.url) as next_one:
        limiters = [next_one() for _ in range(3)]
        outcomes = await asyncio.gather(*(ask(limiter, policy=policy) for _ in range(60) for limiter in limiters))

    assert 80 < sum(outcomes) <= 90  # what one has ahead, another cannot use just now


async def test_a_server_that_hangs_or_goes_is_counted_without() -> None:
    server: ValkeyToBreak
    async with valkey_server() as server, opened(server.url) as next_one:
        limiter = next_one()
        assert await ask(limiter)
        with server.frozen():
            hanging = await ask(limiter, caller="bob")
            away = limiter.is_away
        await eventually(lambda: not limiter.is_away)
        await server.kill()
        gone = await ask(limiter, caller="eve")
        await server.start()
        await eventually(lambda: not limiter.is_away)

    assert hanging
    assert away
    assert gone


@pytest.mark.parametrize("url", ["", "valkey", "http://x", "valkey://"])
def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(ValueError, match="write valkey://host:port"):
        ValkeyQuotaStore(url)


async def test_leaving_takes_no_longer_than_it_may_however_much_there_is_to_give_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Hesitant(BreakableStore):
        async def give_back(self, policy: LimitPolicy, caller: str, slot: float, units: int) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr("atoll.limits.shared_limiter.LEAVING_TAKES", 0.05)
    clock = ManualClock()
    async with asyncio.timeout(5), SharedLimiter(Hesitant(LocalQuotaStore(clock)), clock) as limiter:
        outcome = await ask(limiter, policy=LARGER)  # and two more units are in hand

    assert outcome


async def test_many_new_callers_at_once_are_not_taken_for_a_store_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valkey_quota_store, "PATIENCE", 20.0)  # a busy machine is not what it is about
    policy = LimitPolicy("default", quota=100, window=900.0)
    told: list[bool] = []
    async with (
        valkey_server() as server,
        ValkeyQuotaStore(server.url) as store,
        SharedLimiter(store, SystemClock(), on_change=told.append) as limiter,
    ):
        callers = [f"caller-{number}" for number in range(5 * MOST_AT_ONCE)]
        outcomes = await asyncio.gather(*(ask(limiter, policy=policy, caller=caller) for caller in callers))

    assert all(outcomes)
    assert [] == told
