import msgspec
import pytest
from joserfc.jwk import OctKey

from atoll.identity.principal import Principal
from atoll.identity.service_authenticator import ServiceAuthenticator, bearer_token
from atoll.identity.service_credential import ServiceCredential, ServiceTokenVerifier
from atoll.identity.signatures import SignatureScheme
from atoll.identity.tokens import TokenIssuer, TokenVerifier
from atoll.problems import Unauthenticated
from atoll.testing.clock import ManualClock

SECRET = "a secret of the tests, long enough"


@pytest.fixture
def services(clock: ManualClock) -> ServiceTokenVerifier:
    return ServiceTokenVerifier(SECRET, "products", clock=clock)


@pytest.fixture
def authenticator(verifier: TokenVerifier, services: ServiceTokenVerifier) -> ServiceAuthenticator:
    return ServiceAuthenticator(users=verifier, services=services)


@pytest.fixture
def service_token(clock: ManualClock) -> str:
    return ServiceCredential(SECRET, "orders", clock=clock).token_for("products")


async def test_users_and_services_are_both_known(
    authenticator: ServiceAuthenticator, issuer: TokenIssuer, service_token: str
) -> None:
    user = await authenticator.authenticate(f"Bearer {issuer.issue('u1', ['admin'])}")
    service = await authenticator.authenticate(f"Bearer {service_token}")

    assert user == Principal("u1", kind="user", roles=frozenset({"admin"}))
    assert service == Principal("orders", kind="service")


async def test_a_user_never_passes_as_a_service(
    authenticator: ServiceAuthenticator, issuer: TokenIssuer, ring: object, clock: ManualClock
) -> None:
    principal = await authenticator.authenticate(f"Bearer {issuer.issue('orders', ['service'])}")

    assert not principal.is_service


async def test_a_service_token_signed_like_a_user_token_is_refused(
    authenticator: ServiceAuthenticator, clock: ManualClock
) -> None:
    now = int(clock.now().timestamp())
    claims = {
        "iss": "users",
        "aud": "atoll",
        "sub": "u1",
        "exp": now + 60,
        "iat": now,
        "jti": "t",
        "roles": ["admin"],
    }
    forged = SignatureScheme("HS256", "at+jwt").sign(claims, OctKey.import_key(SECRET.encode()), kid="k")

    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(f"Bearer {forged}")


async def test_a_service_that_knows_no_users_refuses_their_tokens(
    services: ServiceTokenVerifier, issuer: TokenIssuer, service_token: str
) -> None:
    only_services = ServiceAuthenticator(services=services)

    assert await only_services.authenticate(f"Bearer {service_token}") == Principal("orders", "service")
    with pytest.raises(Unauthenticated):
        await only_services.authenticate(f"Bearer {issuer.issue('u1')}")


async def test_a_service_that_knows_no_services_refuses_their_tokens(
    verifier: TokenVerifier, issuer: TokenIssuer, service_token: str
) -> None:
    only_users = ServiceAuthenticator(users=verifier)

    assert await only_users.authenticate(f"Bearer {issuer.issue('u1')}") == Principal("u1")
    with pytest.raises(Unauthenticated):
        await only_users.authenticate(f"Bearer {service_token}")


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Basic dTpw", "token", "Bearer  ", "Bearer a b", "Bearer é.\udc80.x"]
)
async def test_whatever_is_no_bearer_token_is_refused(authorization: str, authenticator: ServiceAuthenticator) -> None:
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(authorization)


def test_the_scheme_is_read_in_any_case() -> None:
    assert bearer_token("bEARER abc") == "abc"


async def test_a_refusal_tells_the_caller_nothing_but_that(authenticator: ServiceAuthenticator) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await authenticator.authenticate("Bearer nonsense")

    said = msgspec.json.encode(caught.value.details()).decode()
    assert "nonsense" not in said
    assert caught.value.detail == "A valid access token is needed."
