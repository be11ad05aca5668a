"""ETags: nobody's change is lost, no copy that is right is sent again, and none that is wrong is kept."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import httpx2
import pytest

LAMP = {"name": "Lamp", "price": 19.9, "category": "home", "stock": 5}
OTHER_PRICE = {"price": 1}

Happens: TypeAlias = Callable[[httpx2.AsyncClient, httpx2.AsyncClient, str], Awaitable[Any]]


@pytest.fixture
async def url(admin: httpx2.AsyncClient) -> str:
    """A product at version 2."""
    url = f"/products/{(await admin.post('/products', json=LAMP)).json()['id']}"
    await admin.patch(url, json={"price": 20})
    return url


@pytest.mark.parametrize("if_match", ['"2"', "*", '"1", "2"', 'W/"9" , "2"', ' "2" ', '"x", "2"'])
async def test_a_change_of_what_was_seen_is_made(admin: httpx2.AsyncClient, url: str, if_match: str) -> None:
    answer = await admin.patch(url, json=OTHER_PRICE, headers={"If-Match": if_match})

    assert (200, '"3"') == (answer.status_code, answer.headers["etag"])


@pytest.mark.parametrize("if_match", ['"1"', 'W/"2"', '"1", "3"', "2", '"2', '"02"', '"2" "3"', "", '*, "1"'])
async def test_a_change_of_anything_else_is_refused(admin: httpx2.AsyncClient, url: str, if_match: str) -> None:
    change = await admin.patch(url, json=OTHER_PRICE, headers={"If-Match": if_match})
    removal = await admin.delete(url, headers={"If-Match": if_match})

    assert [412, 412] == [change.status_code, removal.status_code]
    assert 20 == (await admin.get(url)).json()["price"]


async def test_a_sale_stands_in_nobodys_way(admin: httpx2.AsyncClient, url: str) -> None:
    tag = (await admin.get(url)).headers["etag"]
    await admin.patch(f"{url}/stock", json={"quantity": -1})
    answer = await admin.patch(url, json=OTHER_PRICE, headers={"If-Match": tag})

    assert 200 == answer.status_code


@pytest.mark.parametrize("if_none_match", ['"2"', 'W/"2"', '"1", "2"', 'W/"1", W/"2"', "*"])
async def test_a_copy_that_is_right_is_not_sent_again(anyone: httpx2.AsyncClient, url: str, if_none_match: str) -> None:
    answer = await anyone.get(url, headers={"If-None-Match": if_none_match})

    assert (304, b"", '"2"') == (answer.status_code, answer.content, answer.headers["etag"])
    assert not {"content-length", "content-type"} & set(answer.headers)


@pytest.mark.parametrize("if_none_match", ['"1"', '"1", "3"', "2", "", '"2", nonsense'])
async def test_an_old_copy_is_sent_anew(anyone: httpx2.AsyncClient, url: str, if_none_match: str) -> None:
    answer = await anyone.get(url, headers={"If-None-Match": if_none_match})

    assert 200 == answer.status_code


async def sell(_: httpx2.AsyncClient, service: httpx2.AsyncClient, url: str) -> None:
    items = [{"productId": url.removeprefix("/products/"), "quantity": 1}]
    answer = await service.post("/reservations", json={"orderId": "o", "items": items})
    assert answer.status_code == 201, answer.text


async def sell_and_take_back(admin: httpx2.AsyncClient, service: httpx2.AsyncClient, url: str) -> None:
    await sell(admin, service, url)
    await service.delete("/reservations/o")


async def restock(admin: httpx2.AsyncClient, _: httpx2.AsyncClient, url: str) -> None:
    await admin.patch(f"{url}/stock", json={"quantity": 1})


async def change(admin: httpx2.AsyncClient, _: httpx2.AsyncClient, url: str) -> None:
    await admin.patch(url, json=OTHER_PRICE)


@pytest.mark.parametrize("happens", [sell, sell_and_take_back, restock, change])
async def test_nothing_that_has_changed_is_kept_from_a_client(
    admin: httpx2.AsyncClient, service: httpx2.AsyncClient, url: str, happens: Happens
) -> None:
    tag = (await admin.get(url)).headers["etag"]
    await happens(admin, service, url)
    answer = await admin.get(url, headers={"If-None-Match": tag})

    assert 200 == answer.status_code


async def test_after_a_sale_the_next_version_can_be_kept_again(
    admin: httpx2.AsyncClient, service: httpx2.AsyncClient, url: str
) -> None:
    await sell(admin, service, url)
    changed = await admin.patch(url, json=OTHER_PRICE)
    answer = await admin.get(url, headers={"If-None-Match": changed.headers["etag"]})

    assert 4 == changed.json()["stock"]
    assert 304 == answer.status_code


async def test_a_change_that_was_none_makes_no_copy_right(
    admin: httpx2.AsyncClient, service: httpx2.AsyncClient, url: str
) -> None:
    tag = (await admin.get(url)).headers["etag"]
    await sell(admin, service, url)
    await admin.patch(url, json={"price": 20})
    answer = await admin.get(url, headers={"If-None-Match": tag})

    assert 200 == answer.status_code


async def test_what_is_not_there_is_no_copy_either(anyone: httpx2.AsyncClient) -> None:
    answer = await anyone.get("/products/none", headers={"If-None-Match": "*"})

    assert 404 == answer.status_code


async def test_head_is_as_get(anyone: httpx2.AsyncClient, url: str) -> None:
    answer = await anyone.head(url, headers={"If-None-Match": '"2"'})

    assert (304, '"2"') == (answer.status_code, answer.headers["etag"])
