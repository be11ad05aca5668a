"""Lists of products: filters, orders and pages."""

from collections.abc import Mapping
from typing import Any

import httpx2
import pytest

from atoll.testing.clock import ManualClock

PRODUCTS = [
    {"name": "Änderungsstift", "price": 2.5, "category": "office"},
    {"name": "Desk lamp", "description": "100% LED, warm", "price": 39.9, "category": "home"},
    {"name": "floor_lamp", "price": 120, "category": "home"},
    {"name": "Notebook", "price": 2.5, "category": "office"},
    {"name": "Zebra rug", "description": "Goes with every LAMP", "price": 120, "category": "home"},
]


@pytest.fixture(autouse=True)
async def stocked(admin: httpx2.AsyncClient, clock: ManualClock) -> None:
    for product in PRODUCTS:
        (await admin.post("/products", json=product)).raise_for_status()
        await clock.advance(1)


async def names(client: httpx2.AsyncClient, **query: Any) -> list[str]:
    answer = await client.get("/products", params=query)
    return [product["name"] for product in answer.raise_for_status().json()["items"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["Zebra rug", "Notebook", "floor_lamp", "Desk lamp", "Änderungsstift"]),
        ({"category": "office"}, ["Notebook", "Änderungsstift"]),
        ({"category": "Office"}, []),
        ({"minPrice": "39.9"}, ["Zebra rug", "floor_lamp", "Desk lamp"]),
        ({"maxPrice": "39.9"}, ["Notebook", "Desk lamp", "Änderungsstift"]),
        ({"minPrice": "3", "maxPrice": "119.99"}, ["Desk lamp"]),
        ({"q": "lamp"}, ["Zebra rug", "floor_lamp", "Desk lamp"]),
        ({"q": "LAMP desk"}, ["Desk lamp"]),
        ({"q": "änderung"}, ["Änderungsstift"]),
        ({"q": "a\u0308nderung"}, ["Änderungsstift"]),
        ({"q": "100%"}, ["Desk lamp"]),
        ({"q": "%"}, ["Desk lamp"]),
        ({"q": "_"}, ["floor_lamp"]),
        ({"q": "\\"}, []),
        ({"q": "lamp", "category": "home", "maxPrice": "100"}, ["Desk lamp"]),
        ({"sort": "createdAt"}, [product["name"] for product in PRODUCTS]),
        ({"sort": "name"}, ["Desk lamp", "floor_lamp", "Notebook", "Zebra rug", "Änderungsstift"]),
        ({"sort": "-name"}, ["Änderungsstift", "Zebra rug", "Notebook", "floor_lamp", "Desk lamp"]),
        ({"sort": "price"}, ["Änderungsstift", "Notebook", "Desk lamp", "floor_lamp", "Zebra rug"]),
        ({"sort": "-price"}, ["Zebra rug", "floor_lamp", "Desk lamp", "Notebook", "Änderungsstift"]),
    ],
)
async def test_filters_and_orders(anyone: httpx2.AsyncClient, query: Mapping[str, str], expected: list[str]) -> None:
    assert expected == await names(anyone, **query)


@pytest.mark.parametrize("sort", ["createdAt", "-createdAt", "name", "-name", "price", "-price"])
async def test_pages_hold_every_product_once_and_in_order(anyone: httpx2.AsyncClient, sort: str) -> None:
    found: list[str] = []
    query: dict[str, Any] = {"sort": sort, "limit": 2}
    while True:
        page = (await anyone.get("/products", params=query)).json()
        found += [product["name"] for product in page["items"]]
        if page["nextCursor"] is None:
            break
        query["cursor"] = page["nextCursor"]

    assert await names(anyone, sort=sort) == found


async def test_the_last_page_says_so_even_when_it_is_full(anyone: httpx2.AsyncClient) -> None:
    page = (await anyone.get("/products", params={"limit": len(PRODUCTS)})).json()

    assert page["nextCursor"] is None


async def test_a_page_is_right_although_products_came_and_went_meanwhile(
    anyone: httpx2.AsyncClient, admin: httpx2.AsyncClient
) -> None:
    first = (await anyone.get("/products", params={"limit": 2})).json()
    await admin.post("/products", json={"name": "Newest", "price": 1, "category": "home"})
    await admin.delete(f"/products/{first['items'][1]['id']}")
    second = await names(anyone, limit=2, cursor=first["nextCursor"])

    assert ["floor_lamp", "Desk lamp"] == second


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"minPrice": "cheap"}, "minPrice"),
        ({"minPrice": "1.999"}, "minPrice"),
        ({"maxPrice": "-1"}, "maxPrice"),
        ({"maxPrice": "nan"}, "maxPrice"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"sort": "stock"}, "sort"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"colour": "red"}, "colour"),
        ({"q": "a b c d e f g h i"}, "q"),
    ],
)
async def test_a_bad_parameter_is_refused_and_never_passed_over(
    anyone: httpx2.AsyncClient, query: dict[str, str], name: str
) -> None:
    answer = await anyone.get("/products", params=query)

    assert answer.status_code == 422
    assert name == answer.json()["errors"][0]["pointer"].removeprefix("/")


async def test_a_cursor_of_another_order_is_refused(anyone: httpx2.AsyncClient) -> None:
    page = (await anyone.get("/products", params={"limit": 2, "sort": "name"})).json()
    answer = await anyone.get("/products", params={"cursor": page["nextCursor"], "sort": "price"})

    assert answer.status_code == 422
