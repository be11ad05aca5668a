"""Processes are killed while people order; nothing that was promised to them is lost."""

from typing import Any

import pytest
from tests.buying import people_buying
from tests.shopping import open_shop

pytestmark = pytest.mark.system

CRASHES = ("orders", "products", "valkey", "gateway", "products")


async def test_killed_services_are_back_and_no_acknowledged_order_is_lost_or_doubled(keeping: Any) -> None:
    async with open_shop(keeping.data, options=keeping.options) as shop, people_buying(shop, 8):
        for service in CRASHES:
            await shop.system.crash(service)
