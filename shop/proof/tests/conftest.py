"""A small shop, in which tests plant bugs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from shop.proof.tests.small_shop import SmallShop


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[SmallShop]:
    async with SmallShop(tmp_path) as shop:
        yield shop
