"""One Idempotency-Key, one account; and nobody learns from a key what they have not sent themselves."""

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from atoll import wire
from atoll.storage import Database
from atoll.testing.clock import ManualClock
from atoll.testing.database_fixtures import ENGINES

ANN = {"name": "Ann", "email": "ann@example.com", "password": "correct horse battery"}
BOB = ANN | {"name": "Bob", "email": "bob@example.com"}
DAY = timedelta(days=1)


@pytest.fixture(params=ENGINES)
def database_engine(request: pytest.FixtureRequest) -> str:
    engine: str = request.param
    return engine


async def register(anyone: httpx2.AsyncClient, body: Any = ANN, key: str = "k") -> httpx2.Response:
    return await anyone.post("/users", json=body, headers={"Idempotency-Key": key})


async def count(database: Database) -> int:
    """How many accounts there are beside the administrator's."""
    return len(await database.fetch_all("SELECT id FROM users WHERE is_admin = 0"))


async def test_the_same_again_is_the_same_answer_and_no_refusal(anyone: httpx2.AsyncClient, database: Database) -> None:
    first = await register(anyone)
    again = await register(anyone)

    assert [201, 201] == [first.status_code, again.status_code]
    assert (first.content, first.headers["location"]) == (again.content, again.headers["location"])
    assert 1 == await count(database)


async def test_many_at_once_open_one_account(anyone: httpx2.AsyncClient, database: Database) -> None:
    answers = await asyncio.gather(*(register(anyone) for _ in range(50)))

    assert {201} == {answer.status_code for answer in answers}
    assert 1 == len({answer.content for answer in answers})
    assert 1 == await count(database)


@pytest.mark.parametrize("changes", [{"password": "another pass phrase"}, {"name": "Anne"}, BOB])
async def test_who_does_not_send_the_very_same_learns_nothing(
    anyone: httpx2.AsyncClient, database: Database, changes: dict[str, str]
) -> None:
    first = await register(anyone)
    refused = await register(anyone, ANN | changes)

    assert 422 == refused.status_code
    assert "/problems/key-used-differently" == refused.json()["type"]
    assert first.json()["id"] not in refused.text
    assert 1 == await count(database)


async def test_a_taken_address_is_refused_with_every_other_key(anyone: httpx2.AsyncClient) -> None:
    await register(anyone)
    refused = await register(anyone, key="another")
    again = await register(anyone, key="another")

    assert [409, 409] == [refused.status_code, again.status_code]


async def test_a_refusal_is_not_remembered(
    anyone: httpx2.AsyncClient, admin: httpx2.AsyncClient, registered: Any
) -> None:
    user = await registered()
    refused = await register(anyone)
    await admin.delete(f"/users/{user['id']}")
    accepted = await register(anyone)

    assert [409, 201] == [refused.status_code, accepted.status_code]


async def test_a_day_later_the_key_is_new(anyone: httpx2.AsyncClient, clock: ManualClock, database: Database) -> None:
    await register(anyone)
    clock.set_now(clock.now() + DAY)
    later = await register(anyone, BOB)

    assert 201 == later.status_code
    assert 2 == await count(database)


async def test_what_is_kept_does_not_help_to_guess_the_password(anyone: httpx2.AsyncClient, database: Database) -> None:
    await register(anyone)
    kept = await database.fetch_one("SELECT fingerprint, headers, body FROM kept_answers")
    assert kept is not None
    fingerprint, headers, body = kept

    assert ANN["password"].encode() not in headers.encode() + body
    assert fingerprint not in _plain_digests()


def _plain_digests() -> set[bytes]:
    """What whoever has only the database could compare a guess with."""
    return {hashlib.sha256(wire.encode(guess)).digest() for guess in (ANN, ANN["password"])}


async def test_two_keys_are_no_key(anyone: httpx2.AsyncClient) -> None:
    keys = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    answer = await anyone.post("/users", json=ANN, headers=keys)

    assert (422, "Idempotency-Key") == (answer.status_code, answer.json()["errors"][0]["pointer"])
