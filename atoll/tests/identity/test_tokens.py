import base64
import string
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OctKey

from atoll.identity.keys import KeyRing, SigningKey
from atoll.identity.principal import Principal
from atoll.identity.tokens import ACCESS_TOKEN, TokenIssuer, TokenVerifier
from atoll.problems import Unauthenticated
from atoll.testing.clock import ManualClock

LIFETIME, SKEW = 15 * 60, 30


def claims(clock: ManualClock, **changes: object) -> dict[str, Any]:
    now = int(clock.now().timestamp())
    good: dict[str, Any] = {
        "iss": "users",
        "aud": "atoll",
        "sub": "u1",
        "exp": now + LIFETIME,
        "iat": now,
        "jti": "t1",
        "roles": [],
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not ...}


def signed(key: SigningKey, says: dict[str, Any]) -> str:
    return ACCESS_TOKEN.sign(says, key.jose, key.kid)


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).rstrip(b"=").decode()


async def refused(verifier: TokenVerifier, token: str) -> bool:
    """Whether the token is refused, with the one sentence that every bad token gets."""
    try:
        await verifier.verify(token)
    except Unauthenticated as problem:
        return problem.detail == "A valid access token is needed."
    return False


async def test_a_token_says_who_its_bearer_is(issuer: TokenIssuer, verifier: TokenVerifier) -> None:
    principal = await verifier.verify(issuer.issue("u1", roles=["admin"]))

    assert principal == Principal("u1", kind="user", roles=frozenset({"admin"}))


def test_what_can_be_told_without_waiting_is_told(issuer: TokenIssuer, verifier: TokenVerifier) -> None:
    forged = TokenIssuer(KeyRing([SigningKey.generate()])).issue("u1")

    assert verifier.verify_now(issuer.issue("u1")) == Principal("u1")
    assert [verifier.verify_now(token) for token in (forged, "nonsense", "")] == [None, None, None]


async def test_every_claim_of_the_contract_is_in_a_token(issuer: TokenIssuer, clock: ManualClock) -> None:
    payload = issuer.issue("u1", roles=["b", "a"]).split(".")[1]
    said = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=="))

    jti = said.pop("jti")
    assert said == claims(clock, roles=["a", "b"], jti=...)
    assert len(jti) == 36


async def test_two_tokens_are_never_the_same(issuer: TokenIssuer) -> None:
    assert issuer.issue("u1") != issuer.issue("u1")


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "exp", "iat", "jti", "roles"])
async def test_a_token_without_any_of_the_claims_is_refused(
    name: str, signing_key: SigningKey, verifier: TokenVerifier, clock: ManualClock
) -> None:
    assert await refused(verifier, signed(signing_key, claims(clock, **{name: ...})))


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "somebody"},
        {"aud": "another system"},
        {"aud": ["atoll"]},
        {"sub": ""},
        {"sub": 7},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": None},
        {"exp": 1e400},
        {"roles": "admin"},
        {"roles": [1]},
    ],
)
async def test_a_token_with_a_wrong_claim_is_refused(
    change: dict[str, object], signing_key: SigningKey, verifier: TokenVerifier, clock: ManualClock
) -> None:
    assert await refused(verifier, signed(signing_key, claims(clock, **change)))


async def test_a_token_lives_for_its_lifetime_and_the_skew(
    issuer: TokenIssuer, verifier: TokenVerifier, clock: ManualClock
) -> None:
    token = issuer.issue("u1")

    await clock.advance(LIFETIME + SKEW - 1)
    assert await verifier.verify(token) == Principal("u1")

    await clock.advance(1)
    assert await refused(verifier, token)
    assert verifier.verify_cached(token) is None


async def test_a_token_from_a_clock_that_is_ahead_is_good_within_the_skew(
    signing_key: SigningKey, verifier: TokenVerifier, clock: ManualClock
) -> None:
    now = int(clock.now().timestamp())

    assert await verifier.verify(signed(signing_key, claims(clock, iat=now + SKEW))) == Principal("u1")
    assert await refused(verifier, signed(signing_key, claims(clock, iat=now + SKEW + 1)))


async def test_a_token_of_another_key_is_refused(verifier: TokenVerifier, clock: ManualClock) -> None:
    stranger = SigningKey.generate()

    assert await refused(verifier, signed(stranger, claims(clock)))


async def test_a_stranger_cannot_use_the_id_of_a_trusted_key(
    ring: KeyRing, verifier: TokenVerifier, clock: ManualClock
) -> None:
    forged = ACCESS_TOKEN.sign(claims(clock), SigningKey.generate().jose, ring.current.kid)

    assert await refused(verifier, forged)


async def test_a_token_without_a_key_id_is_refused(
    signing_key: SigningKey, verifier: TokenVerifier, clock: ManualClock
) -> None:
    assert await refused(verifier, ACCESS_TOKEN.sign(claims(clock), signing_key.jose))


async def test_the_old_name_of_the_algorithm_is_refused(
    signing_key: SigningKey, verifier: TokenVerifier, clock: ManualClock
) -> None:
    _, payload, signature = signed(signing_key, claims(clock)).split(".")
    head = encoded({"alg": "EdDSA", "typ": "at+jwt", "kid": signing_key.kid})

    assert await refused(verifier, f"{head}.{payload}.{signature}")


async def test_an_unsigned_token_is_refused(
    signing_key: SigningKey, verifier: TokenVerifier, clock: ManualClock
) -> None:
    for alg in ("none", "None", "NONE", ""):
        head = encoded({"alg": alg, "typ": "at+jwt", "kid": signing_key.kid})
        assert await refused(verifier, f"{head}.{encoded(claims(clock))}.")


async def test_the_public_key_is_no_secret_to_sign_with(
    signing_key: SigningKey, verifier: TokenVerifier, clock: ManualClock
) -> None:
    public = base64.urlsafe_b64decode(signing_key.public.x + "=")
    head = {"alg": "HS256", "typ": "at+jwt", "kid": signing_key.kid}
    payload = msgspec.json.encode(claims(clock))

    assert await refused(verifier, jws.serialize_compact(head, payload, OctKey.import_key(public)))


@pytest.mark.parametrize(
    "extra",
    [
        {"jwk": {"kty": "OKP"}},
        {"jku": "http://127.0.0.1/keys"},
        {"x5u": "http://127.0.0.1/keys"},
        {"crit": ["b64"], "b64": False},
        {"crit": []},
        {"zip": "DEF"},
        {"anything": "else"},
    ],
)
async def test_a_head_that_says_more_than_it_should_is_refused(
    extra: dict[str, object], signing_key: SigningKey, verifier: TokenVerifier, clock: ManualClock
) -> None:
    head = encoded({"alg": "Ed25519", "typ": "at+jwt", "kid": signing_key.kid, **extra})
    payload = encoded(claims(clock))
    signature = signing_key.jose.get_op_key("sign").sign(f"{head}.{payload}".encode())  # type: ignore[union-attr]
    token = f"{head}.{payload}." + base64.urlsafe_b64encode(signature).rstrip(b"=").decode()

    assert await refused(verifier, token)


async def test_a_token_of_another_type_is_refused(
    signing_key: SigningKey, verifier: TokenVerifier, clock: ManualClock
) -> None:
    for typ in ("JWT", "service+jwt", "AT+JWT", ""):
        head = {"alg": "Ed25519", "typ": typ, "kid": signing_key.kid}
        payload = msgspec.json.encode(claims(clock))
        token = jws.serialize_compact(head, payload, signing_key.jose, algorithms=["Ed25519"])
        assert await refused(verifier, token)


async def test_an_oversized_token_is_refused(
    signing_key: SigningKey, verifier: TokenVerifier, clock: ManualClock
) -> None:
    assert await refused(verifier, signed(signing_key, claims(clock, jti="x" * 4096)))
    assert await refused(verifier, "x" * 10_000_000)


@given(position=st.integers(0, 10_000), character=st.sampled_from(string.printable + "é\udc80"))
@example(position=10_000, character="A")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_token_with_any_character_changed_is_refused(
    position: int, character: str, issuer: TokenIssuer, verifier: TokenVerifier
) -> None:
    token = issuer.issue("u1")
    position %= len(token)
    changed = token[:position] + character + token[position + 1 :]

    assert changed == token or await refused(verifier, changed)


@given(cut=st.integers(0, 1000), put=st.text(max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_token_with_anything_put_in_or_cut_off_is_refused(
    cut: int, put: str, issuer: TokenIssuer, verifier: TokenVerifier
) -> None:
    token = issuer.issue("u1")
    cut %= len(token)

    assert await refused(verifier, token[:cut] + put)
    assert not put or await refused(verifier, token[:cut] + put + token[cut:])


@given(
    text=st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode() + ".e30.AA"),
)
@example(text="...")
@example(text="W1tbW1tb.e30.AA")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_is_no_token_is_refused(text: str, verifier: TokenVerifier) -> None:
    assert await refused(verifier, text)


async def test_a_verified_token_is_known_without_checking_it_again(
    issuer: TokenIssuer, verifier: TokenVerifier
) -> None:
    token = issuer.issue("u1")
    before = verifier.verify_cached(token)
    principal = await verifier.verify(token)

    assert before is None
    assert verifier.verify_cached(token) is principal


async def test_a_refused_token_is_never_known(verifier: TokenVerifier, clock: ManualClock) -> None:
    token = signed(SigningKey.generate(), claims(clock))
    await refused(verifier, token)

    assert verifier.verify_cached(token) is None


async def test_a_withdrawn_key_takes_its_tokens_with_it(
    issuer: TokenIssuer, verifier: TokenVerifier, ring: KeyRing
) -> None:
    token = issuer.issue("u1")
    await verifier.verify(token)
    ring.replace([SigningKey.generate()])

    assert verifier.verify_cached(token) is None
    assert await refused(verifier, token)


async def test_no_token_is_refused_while_keys_are_rotated_step_by_step(
    issuer: TokenIssuer, verifier: TokenVerifier, ring: KeyRing
) -> None:
    old, new = ring.current, SigningKey.generate()
    old_token = issuer.issue("u1")
    for keys in ([old, new], [new, old]):
        ring.replace(keys)
        assert await verifier.verify(issuer.issue("u1")) == Principal("u1")
        assert await verifier.verify(old_token) == Principal("u1")


async def test_the_least_recently_used_token_makes_room(ring: KeyRing, issuer: TokenIssuer, clock: ManualClock) -> None:
    verifier = TokenVerifier(ring, capacity=2, clock=clock)
    first, second, third = (issuer.issue(name) for name in ("u1", "u2", "u3"))
    await verifier.verify(first)
    await verifier.verify(second)
    verifier.verify_cached(first)
    await verifier.verify(third)

    known = [verifier.verify_cached(token) is not None for token in (first, second, third)]
    assert known == [True, False, True]
