"""An order followed through the public door, by real processes."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from tests.shopping import Person, open_shop

pytestmark = pytest.mark.system


@asynccontextmanager
async def following(person: Person, order_id: str) -> AsyncIterator[AsyncIterator[str]]:
    """The states that the person is told of."""
    headers = {"Authorization": f"Bearer {person.token}"}
    async with person.http.stream("GET", f"/api/orders/{order_id}/events", headers=headers) as answer:
        assert answer.status_code == 200
        yield states(answer)


async def states(answer: httpx2.Response) -> AsyncIterator[str]:
    async for line in answer.aiter_lines():
        if line.startswith("data:"):
            yield str(json.loads(line.removeprefix("data:"))["status"])


async def test_changes_come_through_the_door_as_they_happen_and_a_stop_waits_for_no_stream(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop, asyncio.timeout(60):
        buyer, other = await shop.customer(), await shop.customer()
        lamp = await shop.product(stock=5)
        order_id = (await buyer.order(lamp)).json()["id"]
        async with following(buyer, order_id) as told:
            async for state in told:
                if state == "confirmed":
                    break
            for move in ("shipped", "delivered"):
                await shop.admin.ask("PATCH", f"/api/orders/{order_id}/status", {"status": move})
                assert move == await anext(told)
            rest = [state async for state in told]
        foreign = await other.call("GET", f"/api/orders/{order_id}/events")

        second = (await buyer.order(lamp)).json()["id"]
        await shop.until_settled(buyer, [second])
        async with following(buyer, second) as told:
            now = await anext(told)
            asked_at = time.monotonic()
            shop.system.signal(signal.SIGTERM)
            after = [state async for state in told]
            code = await shop.system.ended()
        seconds = time.monotonic() - asked_at

    assert [] == rest
    assert 404 == foreign.status_code
    assert ("confirmed", []) == (now, after)
    assert 0 == code
    assert seconds < 15, "the drain waits 25 s for what does not end"
