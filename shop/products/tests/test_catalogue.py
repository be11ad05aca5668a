"""The catalogue: who may change it, and what everyone sees."""

from typing import Any
from urllib.parse import urljoin

import httpx2
import pytest

from atoll.testing.callers import Callers
from atoll.testing.clock import ManualClock

LAMP = {"name": "Lamp", "description": "Warm light", "price": 19.9, "category": "home", "stock": 3}


async def added(admin: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await admin.post("/products", json=LAMP | fields)
    product: dict[str, Any] = answer.json()
    return product


async def test_a_new_product_is_there_for_everyone(admin: httpx2.AsyncClient, anyone: httpx2.AsyncClient) -> None:
    answer = await admin.post("/products", json=LAMP)
    product = answer.json()
    seen = await anyone.get(f"/products/{product['id']}")

    assert answer.status_code == 201
    for asked_at in ("http://products/products", "http://shop.example/api/products"):
        assert f"{asked_at}/{product['id']}" == urljoin(asked_at, answer.headers["location"])
    assert LAMP.items() <= product.items()
    assert product["version"] == 1
    assert product["createdAt"] == "2030-01-01T00:00:00Z"
    assert product == seen.json()


async def test_many_products_come_back_in_the_order_they_were_sent(admin: httpx2.AsyncClient) -> None:
    names = ["Lamp", "Chair", "Table"]
    answer = await admin.post("/products", json=[LAMP | {"name": name} for name in names])

    assert answer.status_code == 201
    assert names == [product["name"] for product in answer.json()]


async def test_one_bad_product_of_many_adds_none(admin: httpx2.AsyncClient, anyone: httpx2.AsyncClient) -> None:
    answer = await admin.post("/products", json=[LAMP, LAMP | {"price": 1.999}])
    listed = await anyone.get("/products")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/1/price"
    assert listed.json() == {"items": [], "nextCursor": None}


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"price": 19.999}, "/price"),
        ({"price": -1}, "/price"),
        ({"name": ""}, "/name"),
        ({"stock": -1}, "/stock"),
        ({"stock": 1.5}, "/stock"),
        ({"colour": "red"}, "/colour"),
    ],
)
async def test_a_mistake_in_a_product_is_told_where_it_is(
    admin: httpx2.AsyncClient, fields: dict[str, Any], pointer: str
) -> None:
    answer = await admin.post("/products", json=LAMP | fields)

    assert answer.status_code == 422
    assert pointer == answer.json()["errors"][0]["pointer"]


async def test_an_absurd_price_is_a_mistake_and_no_crash(admin: httpx2.AsyncClient) -> None:
    body = b'{"name":"Lamp","price":1e400,"category":"home"}'
    answer = await admin.post("/products", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422


async def test_only_administrators_change_the_catalogue(
    admin: httpx2.AsyncClient, anyone: httpx2.AsyncClient, callers: Callers
) -> None:
    url = f"/products/{(await added(admin))['id']}"
    ann = callers.user("ann")
    asked = [("POST", "/products"), ("PATCH", url), ("DELETE", url), ("PATCH", f"{url}/stock")]

    for method, path in asked:
        assert (await anyone.request(method, path, json={})).status_code == 401
        assert (await anyone.request(method, path, json={}, headers=ann)).status_code == 403


async def test_a_product_that_is_not_there_is_not_found(anyone: httpx2.AsyncClient) -> None:
    answer = await anyone.get("/products/nothing")

    assert answer.status_code == 404
    assert answer.json()["error"] == "Product nothing not found"


async def test_a_change_keeps_what_it_does_not_name(admin: httpx2.AsyncClient, clock: ManualClock) -> None:
    lamp = await added(admin)
    await clock.advance(60)
    answer = await admin.patch(f"/products/{lamp['id']}", json={"price": 24.5})

    expected = lamp | {"price": 24.5, "version": 2, "updatedAt": "2030-01-01T00:01:00Z"}
    assert expected == answer.json()


async def test_a_change_that_changes_nothing_makes_no_version(admin: httpx2.AsyncClient) -> None:
    lamp = await added(admin)
    answer = await admin.patch(f"/products/{lamp['id']}", json={"price": lamp["price"]})

    assert lamp == answer.json()


async def test_a_change_of_an_old_version_is_refused(admin: httpx2.AsyncClient) -> None:
    lamp = await added(admin)
    url = f"/products/{lamp['id']}"
    seen = (await admin.get(url)).headers["etag"]
    first = await admin.patch(url, json={"price": 1}, headers={"If-Match": seen})
    second = await admin.patch(url, json={"price": 2}, headers={"If-Match": seen})
    removal = await admin.delete(url, headers={"If-Match": seen})

    assert first.status_code == 200
    assert first.headers["etag"] == '"2"'
    assert second.status_code == 412
    assert removal.status_code == 412


async def test_the_etag_does_not_move_with_stock(admin: httpx2.AsyncClient) -> None:
    url = f"/products/{(await added(admin))['id']}"
    before = (await admin.get(url)).headers["etag"]
    moved = await admin.patch(f"{url}/stock", json={"quantity": 5})

    assert before == moved.headers["etag"]


async def test_a_deleted_product_is_gone_for_everyone(admin: httpx2.AsyncClient, anyone: httpx2.AsyncClient) -> None:
    url = f"/products/{(await added(admin))['id']}"
    deleted = await admin.delete(url)

    assert deleted.status_code == 204
    assert (await anyone.get(url)).status_code == 404
    assert (await anyone.get("/products")).json()["items"] == []
    assert (await admin.patch(url, json={"price": 1})).status_code == 404
    assert (await admin.patch(f"{url}/stock", json={"quantity": 1})).status_code == 404
    assert (await admin.delete(url)).status_code == 404
