"""The whole system stops and starts under load; what was received is answered, what was answered is there."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.shopping import Person, open_shop

from atoll.testing.eventually import eventually

pytestmark = pytest.mark.system

BUYERS = 16


async def buy_until_closed(customer: Person, product: str, bought: list[str]) -> list[str]:
    """Order until nobody listens any more; returns what went wrong in another way than that."""
    wrong: list[str] = []
    while True:
        try:
            answer = await customer.order(product)
        except httpx2.ConnectError:
            return wrong
        except httpx2.TransportError as error:
            wrong.append(f"{type(error).__name__}: {error}")
            continue
        if answer.status_code == 201:
            bought.append(answer.json()["id"])
        else:
            wrong.append(answer.text)


async def test_a_stop_under_load_answers_what_it_received_and_a_start_finds_all_of_it(keeping: Any) -> None:
    bought: list[str] = []
    async with open_shop(keeping.data, options=keeping.options) as shop:
        customer = await shop.customer()
        product = await shop.product(stock=1_000_000)
        buying = [asyncio.create_task(buy_until_closed(customer, product, bought)) for _ in range(BUYERS)]
        await eventually(lambda: len(bought) >= 10 * BUYERS, within=60)

        code = await shop.system.stop()
        wrong = [words for buyer in await asyncio.gather(*buying) for words in buyer]

    assert [] == wrong
    assert 0 == code

    async with open_shop(keeping.data, options=keeping.options) as shop:
        again = Person(shop.http, customer.token, customer.id)
        assert {"confirmed"} == set(await shop.until_settled(again, bought))
        assert 1_000_000 - len(bought) == await again.stock_of(product)


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_a_killed_runner_leaves_no_process_and_no_open_port(keeping: Any) -> None:
    async with open_shop(keeping.data, options=keeping.options) as shop:
        services = shop.system.services()
        descendants = [pid for service in services for pid in family(service.pid)]

        await shop.system.kill_runner()

        await eventually(lambda: not any(is_alive(pid) for pid in descendants), within=30)
        for port in (port for service in services for port in service.ports.values()):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)


def family(pid: int) -> list[int]:
    """A process and all that it has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]
