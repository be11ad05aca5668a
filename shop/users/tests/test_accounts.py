"""Who sees and changes which account."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import httpx2
import pytest

from atoll.identity.service_credential import ServiceCredential
from atoll.settings import ServiceSettings
from atoll.testing.clock import ManualClock
from atoll.testing.database_fixtures import ENGINES

Registered: TypeAlias = Callable[..., Awaitable[dict[str, Any]]]
SignedIn: TypeAlias = Callable[..., Awaitable[httpx2.AsyncClient]]

PASSWORD = "correct horse battery"
NEW_PASSWORD = "another horse, another battery"


@pytest.fixture(params=ENGINES)
def database_engine(request: pytest.FixtureRequest) -> str:
    engine: str = request.param
    return engine


async def test_users_see_their_own_account_as_it_was_answered_at_first(
    registered: Registered, signed_in: SignedIn, clock: ManualClock
) -> None:
    await clock.advance(0.123456)
    user = await registered()
    answer = await (await signed_in()).get(f"/users/{user['id']}")

    assert (200, user) == (answer.status_code, answer.json())


async def test_someone_elses_account_is_answered_like_one_that_does_not_exist(
    registered: Registered, signed_in: SignedIn
) -> None:
    await registered()
    bob = await registered(name="Bob", email="bob@example.com")
    ann = await signed_in()

    for method, body in [("GET", None), ("PATCH", {"name": "Mallory"}), ("DELETE", None)]:
        theirs = await ann.request(method, f"/users/{bob['id']}", json=body)
        nobodys = await ann.request(method, "/users/nobody", json=body)
        assert (404, 404) == (theirs.status_code, nobodys.status_code)
        assert f"User {bob['id']} not found" == theirs.json()["detail"]
        assert theirs.json()["detail"].replace(bob["id"], "nobody") == nobodys.json()["detail"]


async def test_an_account_needs_a_token(registered: Registered, anyone: httpx2.AsyncClient) -> None:
    user = await registered()

    assert (await anyone.get(f"/users/{user['id']}")).status_code == 401
    assert (await anyone.get("/users")).status_code == 401


async def test_an_access_token_is_good_for_a_quarter_of_an_hour(
    registered: Registered, signed_in: SignedIn, clock: ManualClock
) -> None:
    user = await registered()
    ann = await signed_in()
    await clock.advance(15 * 60 + 60)

    assert (await ann.get(f"/users/{user['id']}")).status_code == 401


async def test_another_service_is_no_user(
    registered: Registered, anyone: httpx2.AsyncClient, clock: ManualClock
) -> None:
    user = await registered()
    credential = ServiceCredential(ServiceSettings().service_secret.reveal(), "orders", clock=clock)
    headers = {"Authorization": f"Bearer {credential.token_for('users')}"}

    assert (await anyone.get(f"/users/{user['id']}", headers=headers)).status_code == 404


async def test_administrators_see_and_change_every_account(registered: Registered, admin: httpx2.AsyncClient) -> None:
    user = await registered()
    url = f"/users/{user['id']}"
    changed = await admin.patch(url, json={"name": "Anna", "password": NEW_PASSWORD})

    assert (await admin.get(url)).json() == changed.json()
    assert changed.json()["name"] == "Anna"


async def test_a_change_keeps_what_it_does_not_name(
    registered: Registered, signed_in: SignedIn, clock: ManualClock
) -> None:
    user = await registered()
    ann = await signed_in()
    await clock.advance(60)
    answer = await ann.patch(f"/users/{user['id']}", json={"email": "ann@home.example"})

    expected = user | {"email": "ann@home.example", "updatedAt": "2030-01-01T00:01:00Z"}
    assert (200, expected) == (answer.status_code, answer.json())
    assert (await signed_in(email="ann@home.example")) is not None


async def test_an_address_of_someone_else_is_taken(registered: Registered, signed_in: SignedIn) -> None:
    await registered(name="Bob", email="bob@example.com")
    user = await registered()
    answer = await (await signed_in()).patch(f"/users/{user['id']}", json={"email": "BOB@example.com", "name": "B"})

    assert answer.status_code == 409
    assert user == (await (await signed_in()).get(f"/users/{user['id']}")).json()


async def test_ones_own_address_may_be_written_anew(registered: Registered, signed_in: SignedIn) -> None:
    user = await registered()
    answer = await (await signed_in()).patch(f"/users/{user['id']}", json={"email": "Ann@Example.com"})

    assert (200, "Ann@Example.com") == (answer.status_code, answer.json()["email"])


@pytest.mark.parametrize("current", [{}, {"currentPassword": "not this one"}])
async def test_a_new_password_takes_the_current_one(
    registered: Registered, signed_in: SignedIn, current: dict[str, str]
) -> None:
    user = await registered()
    answer = await (await signed_in()).patch(f"/users/{user['id']}", json={"password": NEW_PASSWORD, **current})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/currentPassword"


async def test_a_new_password_ends_every_sign_in(
    registered: Registered, signed_in: SignedIn, anyone: httpx2.AsyncClient
) -> None:
    user = await registered()
    login = {"email": "ann@example.com", "password": PASSWORD}
    tokens = (await anyone.post("/auth/login", json=login)).json()
    body = {"password": NEW_PASSWORD, "currentPassword": PASSWORD}
    changed = await (await signed_in()).patch(f"/users/{user['id']}", json=body)

    assert changed.status_code == 200
    refreshed = await anyone.post("/auth/refresh", json={"refreshToken": tokens["refreshToken"]})
    assert refreshed.status_code == 401
    assert (await anyone.post("/auth/login", json=login)).status_code == 401
    assert (await anyone.post("/auth/login", json=login | {"password": NEW_PASSWORD})).status_code == 200


async def test_of_two_who_know_the_password_and_change_it_at_once_one_is_too_late(
    registered: Registered, signed_in: SignedIn
) -> None:
    user, ann = await registered(), await signed_in()
    bodies = [{"password": f"{NEW_PASSWORD} {number}", "currentPassword": PASSWORD} for number in range(2)]
    answers = await asyncio.gather(*(ann.patch(f"/users/{user['id']}", json=body) for body in bodies))

    assert [200, 422] == sorted(answer.status_code for answer in answers)


async def test_a_deleted_account_is_gone_and_its_address_free(
    registered: Registered, signed_in: SignedIn, anyone: httpx2.AsyncClient
) -> None:
    user = await registered()
    login = {"email": "ann@example.com", "password": PASSWORD}
    tokens = (await anyone.post("/auth/login", json=login)).json()
    ann = await signed_in()
    deleted = await ann.delete(f"/users/{user['id']}")

    assert (200, user) == (deleted.status_code, deleted.json())
    assert (await ann.get(f"/users/{user['id']}")).status_code == 404
    assert (await anyone.post("/auth/login", json=login)).status_code == 401
    refreshed = await anyone.post("/auth/refresh", json={"refreshToken": tokens["refreshToken"]})
    assert refreshed.status_code == 401
    assert user["id"] != (await registered())["id"]


async def test_only_administrators_list_accounts(
    registered: Registered, signed_in: SignedIn, admin: httpx2.AsyncClient
) -> None:
    await registered()

    assert (await (await signed_in()).get("/users")).status_code == 403
    assert (await admin.get("/users")).status_code == 200


async def test_pages_show_every_account_once_newest_first(
    registered: Registered, admin: httpx2.AsyncClient, clock: ManualClock
) -> None:
    users = []
    for number in range(5):
        await clock.advance(1)
        users.append(await registered(name=f"User {number}", email=f"user{number}@example.com"))
    pages = [(await admin.get("/users", params={"limit": 2})).json()]
    while (cursor := pages[-1]["nextCursor"]) is not None:
        pages.append((await admin.get("/users", params={"limit": 2, "cursor": cursor})).json())
    shown = [user for page in pages for user in page["items"]]

    assert users[::-1] == shown[:5]
    assert [2, 2, 2] == [len(page["items"]) for page in pages]
    assert shown[5]["roles"] == ["admin"]


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=many", "cursor=made-up", "colour=red"])
async def test_a_mistake_in_the_query_is_told(admin: httpx2.AsyncClient, query: str) -> None:
    answer = await admin.get(f"/users?{query}")

    assert answer.status_code == 422
