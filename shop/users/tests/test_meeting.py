"""Uses of tokens and changes of passwords that meet: on each engine, what must end has ended."""

import asyncio
from typing import Any

import httpx2
import pytest

from atoll.testing.database_fixtures import ENGINES

ANN = {"name": "Ann", "email": "ann@example.com", "password": "correct horse battery"}
ROUNDS = 12


@pytest.fixture(params=ENGINES)
def database_engine(request: pytest.FixtureRequest) -> str:
    engine: str = request.param
    return engine


async def sign_in(anyone: httpx2.AsyncClient, password: str) -> httpx2.Response:
    return await anyone.post("/auth/login", json={"email": ANN["email"], "password": password})


async def refresh(anyone: httpx2.AsyncClient, token: str) -> httpx2.Response:
    return await anyone.post("/auth/refresh", json={"refreshToken": token})


async def is_good(anyone: httpx2.AsyncClient, answer: httpx2.Response) -> bool:
    """Whether what was answered holds a refresh token that is still worth something."""
    return answer.status_code == 200 and (await refresh(anyone, answer.json()["refreshToken"])).status_code == 200


async def test_a_stolen_token_ends_its_family_even_while_the_next_one_is_used(anyone: httpx2.AsyncClient) -> None:
    await anyone.post("/users", json=ANN)
    for _ in range(ROUNDS):
        stolen = (await sign_in(anyone, ANN["password"])).json()["refreshToken"]
        own = (await refresh(anyone, stolen)).json()["refreshToken"]

        own_answer, _ = await asyncio.gather(refresh(anyone, own), refresh(anyone, stolen))

        assert not await is_good(anyone, own_answer)


async def test_no_sign_in_outlives_the_password_however_they_meet(
    anyone: httpx2.AsyncClient, registered: Any, signed_in: Any
) -> None:
    user = await registered()
    password = ANN["password"]
    for number in range(ROUNDS):
        ann = await signed_in(ANN["email"], password)
        own = (await sign_in(anyone, password)).json()["refreshToken"]
        new = f"another pass phrase {number}"
        changes = {"password": new, "currentPassword": password}

        changed, refreshed, begun = await asyncio.gather(
            ann.patch(f"/users/{user['id']}", json=changes), refresh(anyone, own), sign_in(anyone, password)
        )
        password = new

        assert changed.status_code == 200
        assert not await is_good(anyone, refreshed)
        assert not await is_good(anyone, begun)
