"""One Idempotency-Key, one effect on the catalogue or the stock, and the same answer byte for byte."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from atoll.testing.callers import Callers
from atoll.testing.clock import ManualClock

LAMP = {"name": "Lamp", "price": 19.9, "category": "home", "stock": 5}
CHAIR = LAMP | {"name": "Chair"}
DAY = timedelta(days=1)


async def add(admin: httpx2.AsyncClient, body: Any = LAMP, key: str = "k") -> httpx2.Response:
    return await admin.post("/products", json=body, headers={"Idempotency-Key": key})


async def move(admin: httpx2.AsyncClient, product_id: str, quantity: int, key: str = "k") -> httpx2.Response:
    headers = {"Idempotency-Key": key}
    return await admin.patch(f"/products/{product_id}/stock", json={"quantity": quantity}, headers=headers)


def whole(answers: Sequence[httpx2.Response]) -> set[tuple[int, str | None, str | None, bytes]]:
    """What the answers are; as many as there are different ones."""
    return {
        (answer.status_code, answer.headers.get("etag"), answer.headers.get("location"), answer.content)
        for answer in answers
    }


async def count(anyone: httpx2.AsyncClient) -> int:
    return len((await anyone.get("/products")).json()["items"])


@pytest.fixture
async def lamp(admin: httpx2.AsyncClient) -> str:
    """The id of a product of which there are five."""
    return str((await admin.post("/products", json=LAMP)).json()["id"])


@pytest.mark.parametrize(("body", "many"), [(LAMP, 1), ([LAMP, CHAIR], 2)], ids=["one", "several"])
async def test_what_was_added_is_not_added_again(admin: httpx2.AsyncClient, body: Any, many: int) -> None:
    answers = [await add(admin, body) for _ in range(3)]

    assert 201 == answers[0].status_code
    assert 1 == len(whole(answers))
    assert many == await count(admin)


async def test_a_product_is_added_once_by_many_at_once(admin: httpx2.AsyncClient) -> None:
    answers = await asyncio.gather(*(add(admin) for _ in range(50)))

    assert 1 == len(whole(answers))
    assert 1 == await count(admin)


async def test_one_product_and_an_array_of_it_are_not_the_same(admin: httpx2.AsyncClient) -> None:
    await add(admin, LAMP)
    refused = await add(admin, [LAMP])

    assert 422 == refused.status_code
    assert "/problems/key-used-differently" == refused.json()["type"]
    assert 1 == await count(admin)


async def test_stock_moves_once(admin: httpx2.AsyncClient, lamp: str, ledger: Any) -> None:
    first = await move(admin, lamp, 3)
    await move(admin, lamp, 1, key="another")
    again = await move(admin, lamp, 3)

    assert 8 == first.json()["stock"]
    assert 1 == len(whole([first, again]))
    assert [5, 3, 1] == [change for change, _, _ in await ledger.of(lamp)]


async def test_stock_moves_once_for_many_at_once(admin: httpx2.AsyncClient, lamp: str, ledger: Any) -> None:
    answers = await asyncio.gather(*(move(admin, lamp, -1) for _ in range(50)))

    assert 1 == len(whole(answers))
    assert [5, -1] == [change for change, _, _ in await ledger.of(lamp)]


async def test_a_key_is_not_for_another_quantity_or_product(admin: httpx2.AsyncClient, lamp: str, ledger: Any) -> None:
    chair = (await admin.post("/products", json=CHAIR)).json()["id"]
    await move(admin, lamp, 3)
    another_quantity = await move(admin, lamp, 4)
    another_product = await move(admin, chair, 3)

    assert [422, 422] == [another_quantity.status_code, another_product.status_code]
    assert [5, 3] == [change for change, _, _ in await ledger.of(lamp)]
    assert [5] == [change for change, _, _ in await ledger.of(chair)]


async def test_a_refused_move_may_be_tried_again(admin: httpx2.AsyncClient, lamp: str) -> None:
    refused = await move(admin, lamp, -6)
    await move(admin, lamp, 1, key="another")
    accepted = await move(admin, lamp, -6)

    assert [409, 200] == [refused.status_code, accepted.status_code]
    assert 0 == accepted.json()["stock"]


async def test_another_administrator_has_keys_of_their_own(
    admin: httpx2.AsyncClient, callers: Callers, lamp: str
) -> None:
    await move(admin, lamp, 1)
    admin.headers.update(callers.admin("another"))
    answer = await move(admin, lamp, 2)

    assert 8 == answer.json()["stock"]


async def test_a_day_later_the_key_is_new(admin: httpx2.AsyncClient, clock: ManualClock, callers: Callers) -> None:
    first = await add(admin)
    clock.set_now(clock.now() + DAY)
    admin.headers.update(callers.admin())
    later = await add(admin, CHAIR)

    assert [201, 201] == [first.status_code, later.status_code]
    assert 2 == await count(admin)
