from datetime import timedelta

import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import OctKey

from atoll.identity.principal import Principal
from atoll.identity.service_credential import (
    SERVICE_TOKEN,
    SERVICE_TOKEN_LIFETIME,
    ServiceCredential,
    ServiceTokenVerifier,
)
from atoll.problems import Unauthenticated
from atoll.testing.clock import ManualClock

SECRET = "a secret of the tests, long enough"


@pytest.fixture
def credential(clock: ManualClock) -> ServiceCredential:
    return ServiceCredential(SECRET, "orders", clock=clock)


@pytest.fixture
def products(clock: ManualClock) -> ServiceTokenVerifier:
    return ServiceTokenVerifier(SECRET, "products", clock=clock)


def signed(clock: ManualClock, **changes: object) -> str:
    now = int(clock.now().timestamp())
    claims = {"iss": "atoll", "aud": "products", "sub": "orders", "exp": now + 60, "iat": now, **changes}
    key = OctKey.import_key(SECRET.encode())
    return SERVICE_TOKEN.sign({name: value for name, value in claims.items() if value is not ...}, key)


def test_a_service_proves_its_name(credential: ServiceCredential, products: ServiceTokenVerifier) -> None:
    assert products.verify(credential.token_for("products")) == Principal("orders", kind="service")


def test_a_token_for_one_service_is_of_no_use_at_another(
    credential: ServiceCredential, products: ServiceTokenVerifier
) -> None:
    with pytest.raises(Unauthenticated):
        products.verify(credential.token_for("users"))


def test_a_token_over_another_secret_is_refused(clock: ManualClock, products: ServiceTokenVerifier) -> None:
    stranger = ServiceCredential(SECRET + "!", "orders", clock=clock)

    with pytest.raises(Unauthenticated):
        products.verify(stranger.token_for("products"))


async def test_a_token_is_made_anew_before_it_ends(
    credential: ServiceCredential, products: ServiceTokenVerifier, clock: ManualClock
) -> None:
    first = credential.token_for("products")
    await clock.advance(SERVICE_TOKEN_LIFETIME - 61)
    later = credential.token_for("products")
    await clock.advance(1)
    renewed = credential.token_for("products")

    assert later == first
    assert renewed != first
    assert products.verify(first) == products.verify(renewed)


async def test_a_token_of_a_clock_that_was_ahead_is_made_anew_when_the_clock_is_right_again(
    credential: ServiceCredential, products: ServiceTokenVerifier, clock: ManualClock
) -> None:
    right = clock.now()
    clock.set_now(right + timedelta(hours=1))
    credential.token_for("products")
    clock.set_now(right)

    assert products.verify(credential.token_for("products")) == Principal("orders", kind="service")


async def test_a_token_ends(credential: ServiceCredential, products: ServiceTokenVerifier, clock: ManualClock) -> None:
    token = credential.token_for("products")
    products.verify(token)
    await clock.advance(SERVICE_TOKEN_LIFETIME + 30)

    with pytest.raises(Unauthenticated):
        products.verify(token)


@pytest.mark.parametrize(
    "change",
    [{name: ...} for name in ("iss", "aud", "sub", "exp", "iat")]
    + [{"iss": "users"}, {"sub": ""}, {"aud": ["products"]}, {"exp": 0}, {"iat": 2**40}],
)
def test_a_token_with_a_claim_missing_or_wrong_is_refused(
    change: dict[str, object], clock: ManualClock, products: ServiceTokenVerifier
) -> None:
    with pytest.raises(Unauthenticated):
        products.verify(signed(clock, **change))


@pytest.mark.parametrize("head", [{"alg": "HS512", "typ": "service+jwt"}, {"alg": "HS256", "typ": "JWT"}])
def test_another_algorithm_or_type_is_refused(
    head: dict[str, str], clock: ManualClock, products: ServiceTokenVerifier
) -> None:
    now = int(clock.now().timestamp())
    claims = {"iss": "atoll", "aud": "products", "sub": "orders", "exp": now + 60, "iat": now}
    key = OctKey.import_key(SECRET.encode())
    token = jws.serialize_compact(head, msgspec.json.encode(claims), key, algorithms=[head["alg"]])

    with pytest.raises(Unauthenticated):
        products.verify(token)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        ServiceCredential("short", "orders")


def test_a_credential_does_not_show_the_secret(credential: ServiceCredential) -> None:
    assert repr(credential) == "ServiceCredential(service='orders')"
