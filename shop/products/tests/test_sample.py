"""The catalogue that a new shop begins with in development."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import httpx2
import pytest

from atoll.settings import SettingsInvalid, load_settings
from atoll.testing.callers import Callers
from shop_products.app import create_app
from shop_products.settings import ProductsSettings

Visit: TypeAlias = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def visit(tmp_path: Path, callers: Callers, orders: Any) -> Visit:
    """Starts the service on one and the same database, and returns what is on sale; afterwards it is stopped."""
    sample = tmp_path / "sample.csv"
    sample.write_text("Handle,Title,Variant Price,Variant Inventory Qty\npot,Pot,9.99,3\njug,Jug,5,1\n")

    async def visit(*, delete_all: bool = False, **settings: Any) -> list[dict[str, Any]]:
        given: dict[str, Any] = {
            "database_url": f"sqlite:///{tmp_path}/products.db",
            "sample_catalogue": sample,
        } | settings
        service = create_app(ProductsSettings(**given), authenticator=callers.authenticator("products"), orders=orders)
        async with service.running():
            transport = httpx2.ASGITransport(app=service.app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://products") as client:
                products: list[dict[str, Any]] = (await client.get("/products?sort=name")).json()["items"]
                for product in products if delete_all else ():
                    await client.delete(f"/products/{product['id']}", headers=callers.admin())
                return products

    return visit


async def test_a_new_shop_begins_with_the_sample(visit: Visit) -> None:
    jug, pot = await visit()

    assert (pot["name"], pot["price"], pot["stock"]) == ("Pot", 9.99, 3)
    assert [jug, pot] == await visit()


async def test_what_was_taken_out_does_not_come_back(visit: Visit) -> None:
    await visit(delete_all=True)

    assert await visit() == []


async def test_a_shop_without_a_sample_begins_empty(visit: Visit) -> None:
    assert await visit(sample_catalogue=None) == []


async def test_in_production_a_shop_begins_empty(visit: Visit) -> None:
    assert await visit(environment="production") == []


def test_a_sample_that_cannot_be_read_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="there is no such file to read"):
        load_settings(ProductsSettings, "products", {"SAMPLE_CATALOGUE": str(tmp_path / "missing.csv")})
