"""Accounts are opened by anyone, once for each address."""

import asyncio
from typing import Any
from urllib.parse import urljoin

import httpx2
import pytest

from atoll.storage import Database
from atoll.testing.database_fixtures import ENGINES

ANN = {"name": "Ann", "email": "Ann@Example.com", "password": "correct horse battery"}


@pytest.fixture(params=ENGINES)
def database_engine(request: pytest.FixtureRequest) -> str:
    engine: str = request.param
    return engine


async def test_a_new_user_is_answered_without_the_password(anyone: httpx2.AsyncClient) -> None:
    answer = await anyone.post("/users", json=ANN)
    user = answer.json()

    assert answer.status_code == 201
    for asked_at in ("http://users/users", "http://shop.example/api/users", "http://shop.example/api/v1/users"):
        assert f"{asked_at}/{user['id']}" == urljoin(asked_at, answer.headers["location"])
    del user["id"]
    expected = {
        "name": "Ann",
        "email": "Ann@Example.com",
        "roles": [],
        "createdAt": "2030-01-01T00:00:00Z",
        "updatedAt": "2030-01-01T00:00:00Z",
    }
    assert expected == user


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ann@example.com", "ANN@EXAMPLE.COM"),
        ("stra\u00dfe@example.com", "STRASSE@example.com"),
        ("zo\u00eb@example.com", "zoe\u0308@example.com"),
        ("ann@example.com", "\uff41\uff4e\uff4e@example.com"),
    ],
)
async def test_an_address_is_taken_however_it_is_written(anyone: httpx2.AsyncClient, first: str, second: str) -> None:
    await anyone.post("/users", json=ANN | {"email": first})
    answer = await anyone.post("/users", json=ANN | {"email": second})

    assert answer.status_code == 409
    assert answer.json()["title"] == "Email taken"


async def test_of_many_who_want_one_address_at_once_one_gets_it(anyone: httpx2.AsyncClient) -> None:
    answers = await asyncio.gather(*(anyone.post("/users", json=ANN) for _ in range(8)))

    assert [201] + [409] * 7 == sorted(answer.status_code for answer in answers)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"email": "no address"}, "/email"),
        ({"email": "a@b@c"}, "/email"),
        ({"email": "ann\uff20home@example.com"}, "/email"),
        ({"email": "ann@example.com\u0007"}, "/email"),
        ({"email": "a" * 251 + "@b.c"}, "/email"),
        ({"email": 7}, "/email"),
        ({"name": ""}, "/name"),
        ({"password": "seven77"}, "/password"),
        ({"password": "x" * 129}, "/password"),
        ({"password": "Password123"}, "/password"),
        ({"roles": ["admin"]}, "/roles"),
    ],
)
async def test_a_mistake_is_told_where_it_is(anyone: httpx2.AsyncClient, fields: dict[str, Any], pointer: str) -> None:
    answer = await anyone.post("/users", json=ANN | fields)

    assert answer.status_code == 422
    assert pointer == answer.json()["errors"][0]["pointer"]


async def test_a_password_is_never_cut(anyone: httpx2.AsyncClient) -> None:
    password = "\U0001f9ed" * 128
    await anyone.post("/users", json=ANN | {"password": password})
    cut = await anyone.post("/auth/login", json={"email": ANN["email"], "password": password[:-1] + "x"})
    whole = await anyone.post("/auth/login", json={"email": ANN["email"], "password": password})

    assert [401, 200] == [cut.status_code, whole.status_code]


async def test_only_a_costly_hash_is_kept(anyone: httpx2.AsyncClient, database: Database) -> None:
    await anyone.post("/users", json=ANN)
    row = await database.fetch_one("SELECT password_hash FROM users WHERE email_key = $1", "ann@example.com")

    assert row is not None
    assert row[0].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
