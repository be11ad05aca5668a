"""Stock: each change is one step and one row of the ledger, and none ends below zero."""

import asyncio
from typing import Any

import httpx2
import pytest

from atoll.storage import CheckViolated, Database
from shop_contracts.products import MAX_STOCK


@pytest.fixture
async def lamp(admin: httpx2.AsyncClient) -> str:
    """The id of a product of which there are ten."""
    product = {"name": "Lamp", "price": 19.9, "category": "home", "stock": 10}
    return str((await admin.post("/products", json=product)).json()["id"])


async def change(admin: httpx2.AsyncClient, product_id: str, quantity: int) -> httpx2.Response:
    return await admin.patch(f"/products/{product_id}/stock", json={"quantity": quantity})


async def test_stock_is_added_and_taken(admin: httpx2.AsyncClient, lamp: str, ledger: Any) -> None:
    more = await change(admin, lamp, 5)
    less = await change(admin, lamp, -15)

    assert more.json()["stock"] == 15
    assert less.json()["stock"] == 0
    assert await ledger.of(lamp) == [(10, "added", None), (5, "adjusted", None), (-15, "adjusted", None)]


async def test_stock_never_goes_below_zero(admin: httpx2.AsyncClient, lamp: str, ledger: Any) -> None:
    answer = await change(admin, lamp, -11)

    assert answer.status_code == 409
    assert answer.json()["error"].startswith("The stock of Lamp is 10")
    assert await ledger.of(lamp) == [(10, "added", None)]


async def test_stock_never_grows_beyond_counting(admin: httpx2.AsyncClient, lamp: str) -> None:
    answer = await change(admin, lamp, MAX_STOCK)

    assert answer.status_code == 409


@pytest.mark.parametrize("quantity", [0, 1.5, "1", None, 10**13])
async def test_what_is_no_change_is_refused(admin: httpx2.AsyncClient, lamp: str, quantity: object) -> None:
    answer = await admin.patch(f"/products/{lamp}/stock", json={"quantity": quantity})

    assert answer.status_code == 422


async def test_many_changes_at_once_are_all_there(admin: httpx2.AsyncClient, lamp: str, ledger: Any) -> None:
    answers = await asyncio.gather(*(change(admin, lamp, -1) for _ in range(25)))
    product = (await admin.get(f"/products/{lamp}")).json()

    assert 10 == [answer.status_code for answer in answers].count(200)
    assert 15 == [answer.status_code for answer in answers].count(409)
    assert product["stock"] == 0
    assert await ledger.mismatches() == []


async def test_the_ledger_says_in_which_order_the_stock_has_moved(
    admin: httpx2.AsyncClient, lamp: str, database: Database
) -> None:
    await asyncio.gather(*(change(admin, lamp, 1 if number % 2 else -1) for number in range(20)))
    sql = "SELECT number, sum(change) OVER (ORDER BY number) FROM stock_ledger WHERE product_id = $1 ORDER BY number"
    rows = await database.fetch_all(sql, lamp)

    assert [*range(1, 22)] == [number for number, _ in rows]
    assert all(available >= 0 for _, available in rows)


async def test_the_schema_itself_refuses_less_than_nothing(database: Database, lamp: str) -> None:
    with pytest.raises(CheckViolated):
        await database.transaction(lambda tx: tx.execute("UPDATE stock SET available = -1 WHERE product_id = $1", lamp))
