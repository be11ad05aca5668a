"""The database server itself goes away while people order."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.buying import people_buying
from tests.shopping import open_shop

from atoll.runner.databases import EMBEDDED, SERVER

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


@pytest.mark.parametrize("keeping", ["postgresql"], indirect=True)
async def test_a_server_killed_and_restarted_under_load_loses_nothing_that_was_acknowledged(keeping: Any) -> None:
    if EMBEDDED not in keeping.options:
        pytest.skip("the server is not ours to be killed")
    async with open_shop(keeping.data, options=keeping.options) as shop:
        customer, product = await shop.customer(), await shop.product(stock=10)
        async with people_buying(shop, 8, notice=False):  # who has patience notices nothing
            for hurt in (kill, stop, kill):
                await asyncio.sleep(1)  # some orders more
                times_up = shop.system.printed.count(f"{SERVER} is up")
                hurt(keeping.data, shop.system.service(SERVER).pid)
                meanwhile = asyncio.create_task(customer.order(product))
                await shop.system.line_with(f"{SERVER} is up", times=times_up + 1)

                assert (await meanwhile).status_code in {201, 502, 503, 504}

        assert 0 == await verify(keeping.data)


def kill(data: Path, pid: int) -> None:
    """End PostgreSQL itself, without a warning."""
    os.kill(int((data / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0]), signal.SIGKILL)


def stop(data: Path, pid: int) -> None:
    """Stop it as an administrator would."""
    os.kill(pid, signal.SIGTERM)


async def verify(data: Path) -> int:
    command = [sys.executable, "-m", "atoll.cli", "verify", "--data", str(data)]
    return await (await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)).wait()
