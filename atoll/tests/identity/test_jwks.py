import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from atoll import context
from atoll.context import RequestContext
from atoll.identity.jwks import (
    KEEP_SECONDS,
    REFRESH_INTERVAL,
    RETRY_INTERVAL,
    UNKNOWN_KID_INTERVAL,
    JwksKeySource,
)
from atoll.identity.keys import Jwk, JwksDocument, KeyRing, SigningKey
from atoll.identity.principal import Principal
from atoll.identity.tokens import TokenIssuer, TokenVerifier
from atoll.observability.tracing import TraceContext
from atoll.problems import Unauthenticated, Unavailable
from atoll.testing.clock import ManualClock


class Owner:
    """The service that owns the keys: can be away, slow, and counts how often it is asked."""

    def __init__(self, ring: KeyRing) -> None:
        self.document: Callable[[], JwksDocument] = ring.jwks
        self.is_away = False
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def fetch(self) -> JwksDocument:
        self.asked += 1
        await self.may_answer.wait()
        if self.is_away:
            raise ConnectionRefusedError("nobody there")
        return self.document()


@pytest.fixture
def owner(ring: KeyRing) -> Owner:
    return Owner(ring)


@pytest.fixture
async def source(owner: Owner, clock: ManualClock) -> AsyncIterator[JwksKeySource]:
    async with JwksKeySource(owner.fetch, clock=clock) as source:
        await clock.wait_for_sleepers()
        yield source


async def test_the_keys_are_there_soon_after_the_start(source: JwksKeySource, ring: KeyRing) -> None:
    await source.check()

    assert source.find(ring.current.kid) == ring.current.public


async def test_tokens_are_verified_by_published_keys(
    source: JwksKeySource, issuer: TokenIssuer, clock: ManualClock
) -> None:
    verifier = TokenVerifier(source, clock=clock)

    assert (await verifier.verify(issuer.issue("u1"))).subject == "u1"


async def test_starting_does_not_wait_for_the_owner(owner: Owner, clock: ManualClock) -> None:
    owner.may_answer.clear()
    async with JwksKeySource(owner.fetch, clock=clock) as source:
        assert source.find("any") is None


async def test_without_any_key_nobody_is_let_in_and_nobody_is_called_a_liar(
    owner: Owner, clock: ManualClock, issuer: TokenIssuer
) -> None:
    owner.is_away = True
    async with JwksKeySource(owner.fetch, clock=clock) as source:
        with pytest.raises(Unavailable):
            await TokenVerifier(source, clock=clock).verify(issuer.issue("u1"))
        with pytest.raises(Unavailable):
            await source.check()


async def test_an_owner_that_publishes_no_key_is_trusted_in_nothing(
    owner: Owner, source: JwksKeySource, ring: KeyRing, clock: ManualClock
) -> None:
    owner.document = lambda: JwksDocument(())
    await clock.advance(REFRESH_INTERVAL)

    assert source.find(ring.current.kid) is None
    with pytest.raises(Unavailable):
        await source.obtain(ring.current.kid)


async def test_an_owner_that_was_away_at_the_start_is_found_within_a_second(
    owner: Owner, clock: ManualClock, ring: KeyRing
) -> None:
    owner.is_away = True
    async with JwksKeySource(owner.fetch, clock=clock) as source:
        await clock.wait_for_sleepers()
        owner.is_away = False
        await clock.advance(RETRY_INTERVAL)

        assert source.find(ring.current.kid)


async def test_a_token_that_comes_before_the_first_keys_waits_for_them(
    owner: Owner, clock: ManualClock, issuer: TokenIssuer
) -> None:
    owner.may_answer.clear()
    async with JwksKeySource(owner.fetch, clock=clock) as source:
        verifying = asyncio.create_task(TokenVerifier(source, clock=clock).verify(issuer.issue("u1")))
        await asyncio.sleep(0)
        owner.may_answer.set()

        assert (await verifying).subject == "u1"
        assert owner.asked == 1


async def test_the_keys_are_fetched_every_five_minutes(owner: Owner, source: JwksKeySource, clock: ManualClock) -> None:
    await clock.advance(3 * REFRESH_INTERVAL)

    assert owner.asked == 4


async def test_a_withdrawn_key_is_trusted_for_one_interval_at_most(
    source: JwksKeySource, ring: KeyRing, issuer: TokenIssuer, clock: ManualClock
) -> None:
    verifier = TokenVerifier(source, clock=clock)
    token = issuer.issue("u1")
    await verifier.verify(token)
    ring.replace([SigningKey.generate()])
    await clock.advance(REFRESH_INTERVAL)

    assert verifier.verify_cached(token) is None
    with pytest.raises(Unauthenticated):
        await verifier.verify(token)


async def test_a_key_that_keeps_its_id_and_changes_is_another_key(
    owner: Owner, source: JwksKeySource, ring: KeyRing, issuer: TokenIssuer, clock: ManualClock
) -> None:
    verifier = TokenVerifier(source, clock=clock)
    token = issuer.issue("u1")
    await verifier.verify(token)
    other = SigningKey.generate().public.as_jwk()
    owner.document = lambda: JwksDocument((Jwk(kty=other.kty, kid=ring.current.kid, crv=other.crv, x=other.x),))
    await clock.advance(REFRESH_INTERVAL)

    assert verifier.verify_cached(token) is None


async def test_an_unknown_key_is_asked_for_at_once(
    source: JwksKeySource, ring: KeyRing, issuer: TokenIssuer, clock: ManualClock
) -> None:
    ring.replace([SigningKey.generate(), ring.current])

    assert await TokenVerifier(source, clock=clock).verify(issuer.issue("u1")) == Principal("u1")


async def test_made_up_key_ids_cause_one_fetch_in_thirty_seconds(
    owner: Owner, source: JwksKeySource, clock: ManualClock
) -> None:
    asked = owner.asked
    for n in range(100):
        assert await source.obtain(f"made up {n}") is None
    at_once = owner.asked - asked
    await clock.advance(UNKNOWN_KID_INTERVAL - 1)
    await source.obtain("made up")
    before_the_pause_is_over = owner.asked - asked
    await clock.advance(1)
    await source.obtain("made up")

    assert (at_once, before_the_pause_is_over, owner.asked - asked) == (1, 1, 2)


async def test_all_who_ask_at_once_share_one_fetch(owner: Owner, source: JwksKeySource, ring: KeyRing) -> None:
    asked = owner.asked
    new = SigningKey.generate()
    ring.replace([new])
    found = await asyncio.gather(*(source.obtain(new.kid) for _ in range(50)))

    assert found == [new.public] * 50
    assert owner.asked == asked + 1


async def test_one_who_gives_up_does_not_end_the_fetch_of_the_others(
    owner: Owner, source: JwksKeySource, ring: KeyRing
) -> None:
    new = SigningKey.generate()
    ring.replace([new])
    owner.may_answer.clear()
    impatient, patient = (asyncio.create_task(source.obtain(new.kid)) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await impatient
    owner.may_answer.set()

    assert await patient == new.public


async def test_the_deadline_of_one_request_is_not_the_deadline_of_a_shared_fetch(
    owner: Owner, source: JwksKeySource
) -> None:
    deadlines: list[object] = []

    def note_request() -> JwksDocument:
        deadlines.append(context.current.get())
        return JwksDocument(())

    owner.document = note_request
    context.current.set(RequestContext(TraceContext.fresh(), "r1", deadline=1.0))
    with contextlib.suppress(Unavailable):
        await source.obtain("unknown")

    assert deadlines == [None]


async def test_failed_fetches_keep_the_last_keys_for_a_bounded_time(
    owner: Owner, source: JwksKeySource, ring: KeyRing, clock: ManualClock
) -> None:
    owner.is_away = True
    await clock.advance(KEEP_SECONDS - 1)
    kept = source.find(ring.current.kid)
    await clock.advance(1)

    assert kept == ring.current.public
    assert source.find(ring.current.kid) is None
    with pytest.raises(Unavailable):
        await source.obtain(ring.current.kid)


async def test_after_a_failed_fetch_the_next_one_comes_soon(
    owner: Owner, source: JwksKeySource, clock: ManualClock
) -> None:
    owner.is_away = True
    await clock.advance(REFRESH_INTERVAL)
    asked = owner.asked
    await clock.advance(UNKNOWN_KID_INTERVAL)

    assert owner.asked == asked + 1


async def test_keys_of_other_kinds_are_passed_over(
    owner: Owner, source: JwksKeySource, ring: KeyRing, clock: ManualClock
) -> None:
    stranger = Jwk(kty="RSA", kid="rsa")
    owner.document = lambda: JwksDocument((stranger, *ring.jwks().keys))
    await clock.advance(REFRESH_INTERVAL)

    assert source.find("rsa") is None
    assert source.find(ring.current.kid) == ring.current.public


async def test_leaving_stops_the_fetching(owner: Owner, clock: ManualClock) -> None:
    async with JwksKeySource(owner.fetch, clock=clock):
        await clock.wait_for_sleepers()
    await clock.advance(10 * REFRESH_INTERVAL)

    assert owner.asked == 1
