"""Signing in, staying signed in, signing out."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from atoll.identity.keys import JwksDocument, VerifyingKey
from atoll.identity.tokens import TokenVerifier
from atoll.storage import Database
from atoll.testing.clock import ManualClock
from atoll.wire import decoder
from shop_users.app import create_app
from shop_users.settings import UsersSettings

ANN = {"name": "Ann", "email": "ann@example.com", "password": "correct horse battery"}
CREDENTIALS = {"email": ANN["email"], "password": ANN["password"]}
WEEK = timedelta(days=7)


class PublishedKeys:
    """A `KeySource` of what the service publishes, as others have it."""

    def __init__(self, document: bytes) -> None:
        self.keys = {jwk.kid: VerifyingKey.from_jwk(jwk) for jwk in decoder(JwksDocument).decode(document).keys}

    def find(self, kid: str) -> VerifyingKey | None:
        return self.keys.get(kid)

    async def obtain(self, kid: str) -> VerifyingKey | None:
        return self.find(kid)


async def tokens_of_ann(anyone: httpx2.AsyncClient) -> dict[str, Any]:
    await anyone.post("/users", json=ANN)
    tokens: dict[str, Any] = (await anyone.post("/auth/login", json=CREDENTIALS)).json()
    return tokens


async def refreshed(anyone: httpx2.AsyncClient, token: str) -> httpx2.Response:
    return await anyone.post("/auth/refresh", json={"refreshToken": token})


async def test_an_access_token_says_who_it_is_to_everyone_who_has_the_published_keys(
    anyone: httpx2.AsyncClient, clock: ManualClock
) -> None:
    user = (await anyone.post("/users", json=ANN)).json()
    answer = await anyone.post("/auth/login", json=CREDENTIALS)
    keys = PublishedKeys((await anyone.get("/.well-known/jwks.json")).content)
    principal = await TokenVerifier(keys, clock=clock).verify(answer.json()["accessToken"])

    assert answer.headers["cache-control"] == "no-store"
    assert (answer.json()["tokenType"], answer.json()["expiresIn"]) == ("Bearer", 900)
    assert (user["id"], frozenset()) == (principal.subject, principal.roles)


async def test_the_published_keys_hold_no_secret(anyone: httpx2.AsyncClient) -> None:
    answer = await anyone.get("/.well-known/jwks.json")
    keys = answer.json()["keys"]

    assert [{"kty", "kid", "use", "alg", "crv", "x"}] * 2 == [set(key) for key in keys]
    assert {("OKP", "Ed25519", "Ed25519")} == {(key["kty"], key["crv"], key["alg"]) for key in keys}


async def test_keys_stay_when_the_service_starts_again(
    settings: UsersSettings, clock: ManualClock, running: httpx2.ASGITransport, anyone: httpx2.AsyncClient
) -> None:
    before = (await anyone.get("/.well-known/jwks.json")).json()
    again = create_app(settings, clock=clock)
    async with (
        again.running(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app=again.app), base_url="http://users") as client,
    ):
        assert before == (await client.get("/.well-known/jwks.json")).json()


async def test_several_that_start_at_once_have_the_same_keys(settings: UsersSettings, clock: ManualClock) -> None:
    async def published_keys() -> Any:
        service = create_app(settings, clock=clock)
        async with (
            service.running(),
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app=service.app), base_url="http://users") as client,
        ):
            return (await client.get("/.well-known/jwks.json")).json()

    first, *others = await asyncio.gather(*(published_keys() for _ in range(4)))

    assert [first] * 3 == others


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "something else"},
        {"password": "short"},
        {"password": "x" * 1000},
        {"email": "bob@example.com"},
        {"email": "no address"},
    ],
)
async def test_whatever_is_wrong_the_words_are_the_same(anyone: httpx2.AsyncClient, wrong: dict[str, str]) -> None:
    await anyone.post("/users", json=ANN)
    answer = await anyone.post("/auth/login", json=CREDENTIALS | wrong)

    assert answer.status_code == 401
    assert answer.json()["error"] == "The e-mail address or the password is wrong."


@pytest.mark.parametrize("email", ["ANN@Example.COM", "\uff41nn@example.com"])
async def test_an_address_may_be_written_in_another_way(anyone: httpx2.AsyncClient, email: str) -> None:
    await anyone.post("/users", json=ANN)
    answer = await anyone.post("/auth/login", json=CREDENTIALS | {"email": email})

    assert answer.status_code == 200


async def test_a_refresh_token_gives_new_tokens_once(anyone: httpx2.AsyncClient) -> None:
    first = await tokens_of_ann(anyone)
    second = (await refreshed(anyone, first["refreshToken"])).json()
    third = await refreshed(anyone, second["refreshToken"])

    assert third.status_code == 200
    assert len({tokens["refreshToken"] for tokens in (first, second, third.json())}) == 3


async def test_a_token_that_is_used_again_ends_its_family_and_no_other(anyone: httpx2.AsyncClient) -> None:
    first = await tokens_of_ann(anyone)
    elsewhere = (await anyone.post("/auth/login", json=CREDENTIALS)).json()
    second = (await refreshed(anyone, first["refreshToken"])).json()
    again = await refreshed(anyone, first["refreshToken"])

    assert again.status_code == 401
    assert (await refreshed(anyone, second["refreshToken"])).status_code == 401
    assert (await refreshed(anyone, elsewhere["refreshToken"])).status_code == 200


async def test_of_two_uses_at_once_one_wins_and_the_family_ends(anyone: httpx2.AsyncClient) -> None:
    first = await tokens_of_ann(anyone)
    answers = await asyncio.gather(*(refreshed(anyone, first["refreshToken"]) for _ in range(2)))
    won = next(answer for answer in answers if answer.status_code == 200)

    assert [200, 401] == sorted(answer.status_code for answer in answers)
    assert (await refreshed(anyone, won.json()["refreshToken"])).status_code == 401


async def test_a_refresh_token_lives_a_week(anyone: httpx2.AsyncClient, clock: ManualClock) -> None:
    tokens = await tokens_of_ann(anyone)
    clock.set_now(clock.now() + WEEK - timedelta(seconds=1))
    renewed = await refreshed(anyone, tokens["refreshToken"])
    clock.set_now(clock.now() + WEEK)

    assert renewed.status_code == 200
    assert (await refreshed(anyone, renewed.json()["refreshToken"])).status_code == 401


async def test_signing_out_ends_the_family_and_may_be_repeated(anyone: httpx2.AsyncClient) -> None:
    tokens = await tokens_of_ann(anyone)
    body = {"refreshToken": tokens["refreshToken"]}
    answers = [await anyone.post("/auth/logout", json=body) for _ in range(2)]

    assert [204, 204] == [answer.status_code for answer in answers]
    assert (await refreshed(anyone, tokens["refreshToken"])).status_code == 401


async def test_a_token_that_nobody_gave_out_is_refused(anyone: httpx2.AsyncClient) -> None:
    answer = await refreshed(anyone, "made up")

    assert answer.status_code == 401
    assert answer.json()["error"] == "The refresh token is not valid any more; sign in again."


async def test_refresh_tokens_are_not_kept_themselves(anyone: httpx2.AsyncClient, database: Database) -> None:
    tokens = await tokens_of_ann(anyone)
    kept = await database.fetch_all("SELECT digest, family, user_id FROM refresh_tokens")

    assert tokens["refreshToken"] not in {text for row in kept for text in row}


async def test_expired_tokens_are_forgotten_at_the_next_sign_in(
    anyone: httpx2.AsyncClient, clock: ManualClock, database: Database
) -> None:
    await tokens_of_ann(anyone)
    clock.set_now(clock.now() + WEEK)
    await anyone.post("/auth/login", json=CREDENTIALS)

    assert (1,) == await database.fetch_one("SELECT count(*) FROM refresh_tokens")


async def test_whoever_stays_signed_in_for_years_leaves_no_more_behind_than_a_week_of_tokens(
    anyone: httpx2.AsyncClient, clock: ManualClock, database: Database
) -> None:
    tokens = await tokens_of_ann(anyone)
    for _ in range(5):
        clock.set_now(clock.now() + WEEK / 2)
        tokens = (await refreshed(anyone, tokens["refreshToken"])).json()

    assert (2,) == await database.fetch_one("SELECT count(*) FROM refresh_tokens")
