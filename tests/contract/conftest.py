"""One shop in this process for all tests of a file, and two people in it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.contract.one_process import OneProcessShop, Person, one_process_shop


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OneProcessShop]:
    async with one_process_shop(tmp_path_factory.mktemp("shop")) as shop:
        yield shop


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(shop: OneProcessShop) -> Person:
    return await shop.admin()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def customer(shop: OneProcessShop) -> Person:
    return await shop.person()
