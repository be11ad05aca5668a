"""One running shop for all tests of a file, on each engine."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from tests.shopping import Shop, open_shop


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(keeping_of_module: Any) -> AsyncIterator[Shop]:
    async with open_shop(keeping_of_module.data, options=keeping_of_module.options) as shop:
        yield shop
