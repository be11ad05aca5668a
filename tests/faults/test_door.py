"""The door stays open while the gateway behind it is replaced, whether it was asked to go or died."""

import asyncio
from pathlib import Path

import pytest
from tests.faults.test_rolling_restart import load_of, restart
from tests.shopping import open_shop

from atoll.testing.eventually import eventually
from atoll.testing.processes import is_alive
from atoll.testing.raw_http import connected

pytestmark = pytest.mark.system

GET = b"GET /api/products HTTP/1.1\r\nHost: shop\r\n\r\n"


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_restart_of_the_gateway_loses_no_request(
    workers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKERS", workers)
    async with open_shop(tmp_path) as shop:
        load = await load_of(shop)
        loading = asyncio.create_task(load.run())
        await eventually(lambda: len(load.answers) > 20)
        await restart(shop.system.data, "gateway")
        behind = len(load.answers)
        await eventually(lambda: len(load.answers) > behind + 20)
        load.stop()
        await loading

        assert set() == load.bad_answers


async def test_whoever_connects_when_the_gateway_has_died_waits_for_the_next(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        gateway = shop.system.service("gateway")
        shop.system.kill("gateway")
        await eventually(lambda: not is_alive(gateway.pid))
        statuses = await asyncio.gather(*(_asked(gateway.ports["port"]) for _ in range(20)))

        assert {200} == set(statuses)


async def test_nobody_gets_in_once_the_system_stops(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        port = shop.system.service("gateway").ports["port"]
        await shop.system.stop()

        with pytest.raises(ConnectionRefusedError):
            await _asked(port)


async def _asked(port: int) -> int:
    async with connected(port, patience=30) as client:
        return (await client.request(GET)).status
