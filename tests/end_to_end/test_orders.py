"""An order through the public door, by real processes."""

import asyncio
from collections import Counter
from functools import partial

import pytest
from tests.shopping import Person, Shop

from atoll.testing.eventually import eventually

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]


async def test_an_order_is_placed_confirmed_read_and_cancelled(shop: Shop) -> None:
    customer = await shop.customer()
    lamp = await shop.product(stock=5, price=19.99, name="Lamp")
    chair = await shop.product(stock=3, price=80.01, name="Chair")

    placed = (await customer.order(lamp, chair, quantity=2)).json()
    states = await shop.until_settled(customer, [placed["id"]])

    assert ["confirmed"] == states
    assert 200.0 == placed["totalAmount"]
    assert customer.id == placed["userId"]
    assert [("Lamp", 19.99), ("Chair", 80.01)] == [(line["name"], line["price"]) for line in placed["items"]]
    assert (3, 1) == (await customer.stock_of(lamp), await customer.stock_of(chair))

    await customer.ask("POST", f"/api/orders/{placed['id']}/cancel")
    assert "cancelled" == (await customer.ask("GET", f"/api/orders/{placed['id']}"))["status"]
    await eventually(partial(stock_is, customer, {lamp: 5, chair: 3}), within=30)


async def stock_is(customer: Person, expected: dict[str, int]) -> bool:
    return expected == {product: await customer.stock_of(product) for product in expected}


async def test_of_200_buyers_at_once_exactly_as_many_buy_as_there_are_units(shop: Shop) -> None:
    customer = await shop.customer()
    product = await shop.product(stock=10, name="Rare thing")

    answers = await asyncio.gather(*(customer.order(product) for _ in range(200)))
    bought = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    refused = [answer.json() for answer in answers if answer.status_code == 400]
    states = await shop.until_settled(customer, bought)

    assert (10, 190) == (len(bought), len(refused))
    assert {"Insufficient stock for product Rare thing"} == {problem["error"] for problem in refused}
    assert Counter(confirmed=10) == Counter(states)
    assert 0 == await customer.stock_of(product)


async def test_orders_of_the_same_products_in_opposite_order_never_block_each_other(shop: Shop) -> None:
    customer = await shop.customer()
    one, other = await shop.product(stock=100), await shop.product(stock=100)

    answers = await asyncio.gather(
        *(customer.order(*((one, other) if number % 2 else (other, one))) for number in range(100))
    )

    assert {201} == {answer.status_code for answer in answers}
    assert (0, 0) == (await customer.stock_of(one), await customer.stock_of(other))


async def test_fifty_requests_at_once_with_one_key_make_one_order(shop: Shop) -> None:
    customer = await shop.customer()
    product = await shop.product(stock=100)

    answers = await asyncio.gather(*(customer.order(product, key="the-same") for _ in range(50)))
    made = {answer.content for answer in answers if answer.status_code == 201}

    assert {201, 409} >= {answer.status_code for answer in answers}
    assert 1 == len(made)
    assert 99 == await customer.stock_of(product)


async def test_someone_elses_order_looks_like_one_that_does_not_exist(shop: Shop) -> None:
    customer, stranger = await shop.customer(), await shop.customer()
    product = await shop.product(stock=1)
    order_id = (await customer.order(product)).json()["id"]

    theirs = await stranger.call("GET", f"/api/orders/{order_id}")
    nothing = await stranger.call("GET", "/api/orders/00000000-0000-7000-8000-000000000000")

    assert (404, 404) == (theirs.status_code, nothing.status_code)
    assert theirs.json()["title"] == nothing.json()["title"]


async def test_every_refusal_at_the_door_is_a_problem_with_a_trace(shop: Shop) -> None:
    customer = await shop.customer()
    refusals = {
        "no token": await shop.visitor.call("GET", "/api/orders"),
        "not an admin": await customer.call("GET", "/api/users"),
        "no such path": await customer.call("GET", "/api/nowhere"),
        "not json": await shop.http.post("/api/users", content=b"{", headers={"Content-Type": "application/json"}),
        "another type": await shop.http.post("/api/users", content=b"a=b", headers={"Content-Type": "text/plain"}),
        "wrong fields": await shop.visitor.call("POST", "/api/users", {"name": "Kim", "age": 7}),
        "bad number": await shop.visitor.call("GET", "/api/products?minPrice=cheap"),
        "wrong method": await shop.visitor.call("DELETE", "/api/products"),
    }
    expected = [401, 403, 404, 400, 415, 422, 422, 405]

    assert expected == [answer.status_code for answer in refusals.values()]
    for name, answer in refusals.items():
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json", name
        assert {"type", "title", "status", "detail", "instance", "traceId", "error"} <= problem.keys(), name
        assert (problem["status"], problem["error"]) == (answer.status_code, problem["detail"]), name


async def test_what_is_for_the_inside_is_not_reachable_through_the_door(shop: Shop) -> None:
    operations = ["/metrics", "/ready", "/docs", "/openapi.json", "/api/metrics", "/api/health", "/api/docs"]
    neighbours = ["/services", "/register", "/api/services", "/api/reservations", "/api/users/.well-known/jwks.json"]

    assert {404} == {(await shop.visitor.call("GET", path)).status_code for path in operations + neighbours}
    assert {"status": "healthy", "service": "gateway"}.items() <= (await shop.visitor.ask("GET", "/health")).items()


async def test_the_version_in_the_path_means_the_same(shop: Shop) -> None:
    product = await shop.product(stock=1)
    plain = await shop.visitor.ask("GET", f"/api/products/{product}")

    assert plain == await shop.visitor.ask("GET", f"/api/v1/products/{product}")
