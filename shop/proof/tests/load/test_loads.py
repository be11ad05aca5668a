"""A whole load, against a shop that does what the test says."""

import asyncio
import io
import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from atoll.clock import SystemClock
from atoll.testing.scripted_server import Peer, ReceivedRequest, ScriptedServer
from shop_proof.history import NoHistory
from shop_proof.load.people import Administrator, NotReady
from shop_proof.load.plan import Kind, Plan
from shop_proof.load.running import Load
from shop_proof.load.summary import Result, print_summary
from shop_proof.load.view import PlainView

PLAN = Plan(
    url="",
    buyers=2,
    hands=4,
    rate=None,
    seconds=60,
    count=50,
    lines=range(1, 3),
    mix={Kind.PLACE: 1},
    existing=False,
    stock=None,
    told=False,
)
MOMENT = "2030-01-01T00:00:00Z"
ADMIN = Administrator("boss@example.com", "a long pass phrase")

Answer = Callable[[ReceivedRequest], tuple[int, Any]]


class ScriptedShop:
    """A shop whose orders are what `orders` answers; all else goes well."""

    def __init__(self, orders: Answer) -> None:
        self._orders = orders
        self.seen: list[ReceivedRequest] = []

    async def serve(self, peer: Peer) -> None:
        while True:
            request = await peer.request()
            self.seen.append(request)
            status, body = self.answer(request)
            await peer.answer(body if isinstance(body, bytes) else json.dumps(body).encode(), status=status)

    def answer(self, request: ReceivedRequest) -> tuple[int, Any]:
        match request.method, request.target.partition("?")[0]:
            case "POST", "/api/users":
                new = json.loads(request.body)
                times = {"createdAt": MOMENT, "updatedAt": MOMENT}
                return 201, {"id": new["name"], "name": new["name"], "email": new["email"], "roles": [], **times}
            case "POST", "/api/auth/login":
                return 200, {"accessToken": "t", "refreshToken": "r", "expiresIn": 900, "tokenType": "Bearer"}
            case "GET", "/api/products":
                return 200, {"items": [], "nextCursor": None}
            case "POST", "/api/products":
                return 201, [product(number) for number in range(len(json.loads(request.body)))]
            case _:
                return self._orders(request)


def product(number: int) -> dict[str, Any]:
    times = {"createdAt": MOMENT, "updatedAt": MOMENT}
    text = {"name": f"Thing {number}", "description": "", "category": "load"}
    return {"id": f"p{number}", "price": 1.5, "stock": 1000, "version": 1, **text, **times}


def order(request: ReceivedRequest) -> tuple[int, Any]:
    items = [{**item, "name": "Thing", "price": 1.5} for item in json.loads(request.body)["items"]]
    amounts = {"totalAmount": 1.5 * sum(item["quantity"] for item in items), "currency": "EUR"}
    state = {"status": "pending", "createdAt": MOMENT, "updatedAt": MOMENT}
    return 201, {"id": request.fields["idempotency-key"], "userId": "u", "items": items, **amounts, **state}


async def load(orders: Answer, plan: Plan = PLAN, admin: Administrator | None = ADMIN) -> tuple[Result, str]:
    """What came of it, and what was shown."""
    out = io.StringIO()
    async with ScriptedServer(ScriptedShop(orders).serve) as server:
        result = await Load(
            replace(plan, url=server.url),
            admin=admin,
            recorder=NoHistory(),
            view=PlainView(out),
            clock=SystemClock(),
            chance=random.Random(7),  # noqa: S311 - a test to be repeated
        ).run()
    print_summary(result, Console(file=out, width=200))
    return result, out.getvalue()


async def test_a_shop_that_keeps_its_promises_is_good() -> None:
    result, shown = await load(order)

    assert result.is_good
    assert (50, 50) == (result.tally.orders, result.tally.actions)
    assert "2 of 2 buyers have signed up" in shown
    assert "place   201: 50" in shown
    assert "Every answer was one that was promised." in shown


async def test_what_is_sold_out_is_as_promised() -> None:
    result, _ = await load(lambda _: (400, problem("insufficient-stock")))

    assert result.is_good
    assert {400: 50} == result.tally.statuses[Kind.PLACE]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((500, b""), "place: POST /api/orders: 500"),
        ((404, "problem"), "404 It is so"),
        ((201, b"{}"), "the answer is no order"),
    ],
)
async def test_what_was_not_promised_is_counted_and_shown(answer: tuple[int, Any], words: str) -> None:
    status, body = answer
    result, shown = await load(lambda _: (status, problem("not-found") if body == "problem" else body))

    assert not result.is_good
    assert 50 == result.tally.surprises
    assert words in shown
    assert "50 ended otherwise than promised." in shown


async def test_an_answer_to_a_repeated_key_must_be_the_same() -> None:
    seen: dict[str, int] = {}

    def forgetful(request: ReceivedRequest) -> tuple[int, Any]:
        key = request.fields["idempotency-key"]
        seen[key] = seen.get(key, 0) + 1
        status, body = order(request)
        return status, {**body, "currency": "EUR" if seen[key] == 1 else "USD"}

    result, _ = await load(forgetful, replace(PLAN, mix={Kind.PLACE: 1, Kind.REPEAT: 1}))

    assert 0 < result.tally.surprises == result.tally.statuses[Kind.REPEAT][201]


async def test_a_stop_ends_it_before_its_time() -> None:
    out = io.StringIO()
    async with ScriptedServer(ScriptedShop(lambda request: (stop(), order(request))[1]).serve) as server:
        running = Load(
            replace(PLAN, url=server.url, count=10**6),
            admin=ADMIN,
            recorder=NoHistory(),
            view=PlainView(out),
            clock=SystemClock(),
            chance=random.Random(7),  # noqa: S311 - a test to be repeated
        )
        stop = running.stop
        result = await running.run()

    assert 1 <= result.tally.actions <= PLAN.hands


async def test_a_schedule_that_finds_no_free_hand_says_so() -> None:
    plan = replace(PLAN, rate=1000, seconds=0.2, hands=1, count=10**6)
    slow = ScriptedShop(order)

    async def serve(peer: Peer) -> None:
        while True:
            request = await peer.request()
            if request.target == "/api/orders":
                await asyncio.sleep(0.05)
            status, body = slow.answer(request)
            await peer.answer(json.dumps(body).encode(), status=status)

    out = io.StringIO()
    async with ScriptedServer(serve) as server:
        result = await Load(
            replace(plan, url=server.url),
            admin=ADMIN,
            recorder=NoHistory(),
            view=PlainView(out),
            clock=SystemClock(),
            chance=random.Random(7),  # noqa: S311 - a test to be repeated
        ).run()
    print_summary(result, Console(file=out, width=200))

    assert result.missed > 100
    assert "were due and found no free hand" in out.getvalue()


async def test_without_an_administrator_it_says_what_is_missing() -> None:
    with pytest.raises(NotReady, match="Only an administrator can add products"):
        await load(order, admin=None)


async def test_with_too_few_products_it_does_not_begin() -> None:
    with pytest.raises(NotReady, match="Orders of 2 lines need more than the 0 products in stock"):
        await load(order, replace(PLAN, existing=True))


def problem(slug: str) -> dict[str, Any]:
    sentence = "It is so"
    return {"type": f"/problems/{slug}", "title": "", "status": 400, "detail": sentence, "error": sentence}
