"""One running shop for all tests of a file."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.shopping import Shop, open_shop


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path_factory.mktemp("shop")) as shop:
        yield shop
