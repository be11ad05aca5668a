"""What users tells the others: that somebody has registered, and that somebody is gone."""

from typing import Any

import httpx2

from atoll.events.envelope import read_envelope
from atoll.storage import Database
from shop_contracts.events import USER_DELETED, USER_REGISTERED

ANN = {"name": "Ann", "email": "ann@example.com", "password": "correct horse battery"}


async def told(database: Database, user_id: str) -> list[tuple[str, int]]:
    """Type and number of what was said of a user."""
    rows = await database.fetch_all("SELECT body FROM outbox ORDER BY sequence")
    events = [read_envelope(bytes(body)) for (body,) in rows]
    return [(event.type, event.sequence) for event in events if event.subject == user_id]


async def test_a_user_comes_and_goes(registered: Any, signed_in: Any, database: Database) -> None:
    user = await registered()
    ann = await signed_in()
    gone = await ann.delete(f"/users/{user['id']}")

    assert 200 == gone.status_code
    assert [(USER_REGISTERED.name, 1), (USER_DELETED.name, 2)] == await told(database, user["id"])


async def test_what_is_not_done_is_not_told(
    anyone: httpx2.AsyncClient, registered: Any, admin: httpx2.AsyncClient, database: Database
) -> None:
    user = await registered()
    taken = await anyone.post("/users", json=ANN)
    nobody = await admin.delete("/users/nobody")
    (events,) = await database.fetch_one("SELECT count(*) FROM outbox") or (0,)

    assert (409, 404) == (taken.status_code, nobody.status_code)
    assert [(USER_REGISTERED.name, 1)] == await told(database, user["id"])
    assert 2 == events  # Ann's, and the first administrator's


async def test_a_registration_that_is_repeated_is_told_once(anyone: httpx2.AsyncClient, database: Database) -> None:
    answers = [await anyone.post("/users", json=ANN, headers={"Idempotency-Key": "k"}) for _ in range(3)]

    assert [(USER_REGISTERED.name, 1)] == await told(database, answers[0].json()["id"])
