"""Passwords cannot be guessed, and owners cannot be kept out."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from atoll.limits.limiter import LocalLimiter
from atoll.storage import Database
from atoll.testing.clock import ManualClock
from shop_users.app import create_app
from shop_users.domain import TooManyWrongGuesses
from shop_users.passwords import Passwords
from shop_users.settings import UsersSettings
from shop_users.sign_in_limits import AT_ONE_ACCOUNT, AT_ONE_PLACE, FROM_ONE_ADDRESS, SignInLimits
from shop_users.store.known_addresses import MOST_OF_ONE_USER

ANN = {"name": "Ann", "email": "ann@example.com", "password": "correct horse battery"}
HOME, CAFE, ELSEWHERE = "203.0.113.1", "203.0.113.2", "198.51.100.7"
NOBODY = "nobody@example.com"


async def sign_in(
    anyone: httpx2.AsyncClient, place: str, *, email: str = ANN["email"], password: str = ANN["password"]
) -> httpx2.Response:
    """Through the gateway, which says from where."""
    body = {"email": email, "password": password}
    return await anyone.post("/auth/login", json=body, headers={"X-Forwarded-For": place})


async def guess(anyone: httpx2.AsyncClient, place: str, *, email: str = ANN["email"]) -> httpx2.Response:
    return await sign_in(anyone, place, email=email, password="not the password")


@pytest.fixture
async def ann(registered: Any) -> Any:
    return await registered()


@pytest.fixture
def limits(clock: ManualClock) -> SignInLimits:
    return SignInLimits(LocalLimiter(clock))


async def guess_wrong(limits: SignInLimits, account: str, place: str, *, is_known: bool = False) -> None:
    async with limits.guess(account, place, is_known=is_known) as was_wrong:
        was_wrong()


@pytest.mark.usefixtures("ann")
async def test_who_guesses_too_often_has_to_wait_even_with_the_right_password(
    anyone: httpx2.AsyncClient, clock: ManualClock
) -> None:
    guesses = [await guess(anyone, CAFE) for _ in range(AT_ONE_PLACE.quota)]
    refused = await sign_in(anyone, CAFE)
    wait = int(refused.headers["retry-after"])
    await clock.advance(wait)
    accepted = await sign_in(anyone, CAFE)

    assert {401} == {answer.status_code for answer in guesses}
    assert (429, "/problems/too-many-wrong-guesses") == (refused.status_code, refused.json()["type"])
    assert AT_ONE_PLACE.window <= wait <= AT_ONE_PLACE.window + 15
    assert 200 == accepted.status_code


@pytest.mark.usefixtures("ann")
async def test_what_was_guessed_in_one_place_keeps_nobody_out_in_another(anyone: httpx2.AsyncClient) -> None:
    for _ in range(AT_ONE_PLACE.quota + 1):
        await guess(anyone, CAFE)

    assert 429 == (await guess(anyone, CAFE)).status_code
    assert 200 == (await sign_in(anyone, HOME)).status_code


@pytest.mark.usefixtures("ann")
async def test_many_places_that_guess_at_one_account_are_stopped_and_its_owner_is_not(
    anyone: httpx2.AsyncClient,
) -> None:
    await sign_in(anyone, HOME)
    places = [f"198.51.100.{n}" for n in range(AT_ONE_ACCOUNT.quota // AT_ONE_PLACE.quota)]
    for place in places:
        await asyncio.gather(*(guess(anyone, place) for _ in range(AT_ONE_PLACE.quota)))
    one_more_place = await guess(anyone, ELSEWHERE)
    owner_at_home = await sign_in(anyone, HOME)
    another_account = await guess(anyone, ELSEWHERE, email=NOBODY)

    assert [429, 200, 401] == [answer.status_code for answer in (one_more_place, owner_at_home, another_account)]


async def test_one_address_that_guesses_at_many_accounts_is_stopped(limits: SignInLimits) -> None:
    for n in range(FROM_ONE_ADDRESS.quota):
        await guess_wrong(limits, f"account {n}", CAFE)

    with pytest.raises(TooManyWrongGuesses):
        await guess_wrong(limits, "another", CAFE)
    await guess_wrong(limits, "another", HOME)
    await guess_wrong(limits, "who has signed in there before", CAFE, is_known=True)


async def test_also_where_it_is_known_an_account_has_only_so_many_guesses(limits: SignInLimits) -> None:
    for _ in range(AT_ONE_PLACE.quota):
        await guess_wrong(limits, "ann", HOME, is_known=True)

    with pytest.raises(TooManyWrongGuesses):
        await guess_wrong(limits, "ann", HOME, is_known=True)


async def test_the_longest_wait_is_told(limits: SignInLimits, clock: ManualClock) -> None:
    for n in range(AT_ONE_ACCOUNT.quota):
        await guess_wrong(limits, "ann", f"place {n // AT_ONE_PLACE.quota}")
    with pytest.raises(TooManyWrongGuesses) as refusal:
        await guess_wrong(limits, "ann", "place 0")

    assert AT_ONE_ACCOUNT.window <= refusal.value.retry_after <= AT_ONE_ACCOUNT.window * 1.02


async def test_a_refusal_counts_as_nothing(limits: SignInLimits, clock: ManualClock) -> None:
    for _ in range(AT_ONE_PLACE.quota):
        await guess_wrong(limits, "ann", HOME)
    for _ in range(1000):
        with pytest.raises(TooManyWrongGuesses) as refusal:
            await guess_wrong(limits, "ann", HOME)
    await clock.advance(refusal.value.retry_after)

    await guess_wrong(limits, "ann", HOME)


@pytest.mark.usefixtures("ann")
async def test_who_signs_in_often_is_not_held_up(anyone: httpx2.AsyncClient) -> None:
    one_by_one = [await sign_in(anyone, HOME) for _ in range(AT_ONE_PLACE.quota + 2)]
    at_once = await asyncio.gather(*(sign_in(anyone, HOME) for _ in range(2 * AT_ONE_PLACE.quota)))

    assert {200} == {answer.status_code for answer in [*one_by_one, *at_once]}


@pytest.mark.usefixtures("ann")
async def test_guesses_at_once_are_no_more_than_guesses_one_by_one(anyone: httpx2.AsyncClient) -> None:
    answers = await asyncio.gather(*(guess(anyone, CAFE) for _ in range(50)))

    assert {401: AT_ONE_PLACE.quota, 429: 50 - AT_ONE_PLACE.quota} == Counter(answer.status_code for answer in answers)


@pytest.mark.usefixtures("ann")
async def test_an_account_that_does_not_exist_is_answered_alike(anyone: httpx2.AsyncClient) -> None:
    of_ann = [await guess(anyone, CAFE) for _ in range(AT_ONE_PLACE.quota + 1)]
    of_nobody = [await guess(anyone, CAFE, email=NOBODY) for _ in range(AT_ONE_PLACE.quota + 1)]

    assert [what_is_told(answer) for answer in of_ann] == [what_is_told(answer) for answer in of_nobody]


def what_is_told(answer: httpx2.Response) -> Any:
    """All of an answer but what is never the same."""
    return answer.status_code, dict(answer.headers), {**answer.json(), "traceId": ""}


class WatchedPasswords(Passwords):
    """Notes each hash that is computed to check a password."""

    def __init__(self) -> None:
        super().__init__()
        self.checks = 0

    def _matches(self, password: str, password_hash: str) -> bool:
        self.checks += 1
        assert password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        return super()._matches(password, password_hash)


class WatchedDatabase:
    """Passes everything on, and notes what was asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name in {"read", "transaction", "fetch_one", "fetch_all"}:
            self.asked.append(name)
        return getattr(self._database, name)

    async def __aenter__(self) -> "WatchedDatabase":
        await self._database.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._database.__aexit__(*error)


async def test_an_account_that_does_not_exist_takes_the_same_work(
    settings: UsersSettings, clock: ManualClock, database: Database
) -> None:
    passwords, watched = WatchedPasswords(), WatchedDatabase(database)
    service = create_app(settings, clock=clock, database=watched, passwords=passwords)
    async with service.running():
        anyone = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=service.app), base_url="http://users")
        await anyone.post("/users", json=ANN)
        work = []
        for email in (ANN["email"], NOBODY):
            watched.asked.clear()
            passwords.checks = 0
            await guess(anyone, CAFE, email=email)
            work.append((passwords.checks, tuple(watched.asked)))

    assert [(1, ("read",))] * 2 == work


async def test_the_current_password_cannot_be_guessed_with_a_stolen_token(ann: Any, signed_in: Any) -> None:
    client = await signed_in()
    body = {"password": "another pass phrase", "currentPassword": "not this one"}
    url = f"/users/{ann['id']}"
    guesses = [await client.patch(url, json=body) for _ in range(AT_ONE_PLACE.quota)]
    refused = await client.patch(url, json=body | {"currentPassword": ANN["password"]})

    assert {422} == {answer.status_code for answer in guesses}
    assert 429 == refused.status_code


async def known_addresses(database: Database) -> list[str]:
    rows = await database.fetch_all("SELECT address FROM known_addresses ORDER BY address")
    return [address for (address,) in rows]


@pytest.mark.usefixtures("ann")
async def test_the_last_addresses_of_a_user_are_known(
    anyone: httpx2.AsyncClient, database: Database, clock: ManualClock
) -> None:
    for n in range(MOST_OF_ONE_USER + 2):
        clock.set_now(clock.now() + timedelta(seconds=1))
        await sign_in(anyone, f"2001:db8:0:{n + 16:x}::1")

    assert sorted(f"2001:db8:0:{n + 16:x}::/64" for n in range(2, MOST_OF_ONE_USER + 2)) == await known_addresses(
        database
    )


async def test_with_a_new_password_no_address_is_known(
    anyone: httpx2.AsyncClient, ann: Any, signed_in: Any, database: Database
) -> None:
    client = await signed_in()
    await sign_in(anyone, HOME)
    before = await known_addresses(database)
    body = {"password": "another pass phrase", "currentPassword": ANN["password"]}
    changed = await client.patch(f"/users/{ann['id']}", json=body)

    assert 200 == changed.status_code
    assert ["127.0.0.1", HOME] == before
    assert [] == await known_addresses(database)


async def test_with_an_account_its_addresses_go(ann: Any, signed_in: Any, database: Database) -> None:
    client = await signed_in()
    await client.delete(f"/users/{ann['id']}")

    assert [] == await known_addresses(database)


@pytest.mark.usefixtures("ann")
async def test_only_the_gateway_is_believed_where_a_request_comes_from(
    settings: UsersSettings, clock: ManualClock, database: Database
) -> None:
    elsewhere = UsersSettings(database_url=settings.database_url, gateway_networks=("10.0.0.0/8",))
    service = create_app(elsewhere, clock=clock)
    async with service.running():
        anyone = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=service.app), base_url="http://users")
        for n in range(AT_ONE_PLACE.quota):
            await guess(anyone, f"198.51.100.{n}")
        refused = await guess(anyone, HOME)
        await sign_in(anyone, HOME, email="root@example.com", password="a password for administrators")

    assert 429 == refused.status_code
    assert ["127.0.0.1"] == await known_addresses(database)
