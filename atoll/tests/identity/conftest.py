"""One service that issues tokens, one that checks them, and a clock that both go by."""

import pytest

from atoll.identity.keys import KeyRing, SigningKey
from atoll.identity.tokens import TokenIssuer, TokenVerifier
from atoll.testing.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def signing_key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture
def ring(signing_key: SigningKey) -> KeyRing:
    return KeyRing([signing_key])


@pytest.fixture
def issuer(ring: KeyRing, clock: ManualClock) -> TokenIssuer:
    return TokenIssuer(ring, clock=clock)


@pytest.fixture
def verifier(ring: KeyRing, clock: ManualClock) -> TokenVerifier:
    return TokenVerifier(ring, clock=clock)
