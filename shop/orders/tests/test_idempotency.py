"""One Idempotency-Key, one order, and the same answer byte for byte."""

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from atoll.clock import to_millis
from atoll.storage import load_migrations, open_database

LAMP = {"items": [{"productId": "lamp", "quantity": 1}]}
TWO_LAMPS = {"items": [{"productId": "lamp", "quantity": 2}]}
KEPT_BEFORE = """
    INSERT INTO kept_answers (user_id, idempotency_key, fingerprint, answer, created_at) VALUES ('ann', 'k', $1, $2, $3)
"""
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


async def order(client: httpx2.AsyncClient, key: str, body: object = LAMP) -> httpx2.Response:
    return await client.post("/orders", json=body, headers={"Idempotency-Key": key})


async def count(client: httpx2.AsyncClient) -> int:
    return len((await client.get("/orders", params={"limit": 200})).json()["items"])


async def test_the_same_again_is_the_same_answer_and_no_second_order(
    ann: httpx2.AsyncClient, shelf: Any, eventually: Any
) -> None:
    first = await order(ann, "k")
    await eventually.status(ann, first.json()["id"], "confirmed")
    await ann.post(f"/orders/{first.json()['id']}/cancel")
    again = await order(ann, "k")

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert await count(ann) == 1
    await eventually.true(lambda: shelf.stock["lamp"] == 10)


async def test_while_products_is_away_what_was_answered_is_answered_again(ann: httpx2.AsyncClient, shelf: Any) -> None:
    first = await order(ann, "k")
    shelf.away = True
    again = await order(ann, "k")
    new = await order(ann, "l")

    assert first.content == again.content
    assert new.status_code == 503


async def test_quoted_or_bare_it_is_the_same_key(ann: httpx2.AsyncClient) -> None:
    bare = await order(ann, "a-key")
    quoted = await order(ann, '"a-key"')

    assert bare.content == quoted.content


async def test_another_body_is_refused(ann: httpx2.AsyncClient) -> None:
    await order(ann, "k")
    answer = await order(ann, "k", TWO_LAMPS)

    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/key-used-differently"
    assert await count(ann) == 1


async def test_keys_belong_to_their_users(ann: httpx2.AsyncClient, visitors: Any) -> None:
    mine = await order(ann, "k")
    theirs = await order(visitors.user("bob"), "k", TWO_LAMPS)

    assert theirs.status_code == 201
    assert mine.json()["id"] != theirs.json()["id"]


async def test_many_at_once_are_one_order_and_one_answer(ann: httpx2.AsyncClient, shelf: Any) -> None:
    answers = await asyncio.gather(*(order(ann, "k") for _ in range(50)))

    assert {201} == {answer.status_code for answer in answers}
    assert 1 == len({answer.content for answer in answers})
    assert await count(ann) == 1
    assert shelf.stock["lamp"] == 9


async def test_several_processes_at_once_make_one_order(start_orders: Any, shelf: Any) -> None:
    async with start_orders() as here, start_orders() as there:
        clients = [here.user("ann"), there.user("ann")]
        answers = await asyncio.gather(*(order(clients[n % 2], "k") for n in range(20)))
        orders = await count(clients[0])

    assert 1 == len({answer.content for answer in answers})
    assert orders == 1
    assert shelf.stock["lamp"] == 9


async def test_different_bodies_at_once_make_one_order(ann: httpx2.AsyncClient, shelf: Any) -> None:
    answers = await asyncio.gather(*(order(ann, "k", [LAMP, TWO_LAMPS][n % 2]) for n in range(20)))
    statuses = {answer.status_code for answer in answers}

    assert {201, 422} == statuses
    assert await count(ann) == 1


async def test_an_attempt_that_died_is_finished_under_the_same_id(ann: httpx2.AsyncClient, shelf: Any) -> None:
    shelf.dies_after_reserving = True
    died = await order(ann, "k")
    (held,) = shelf.reservations
    again = await order(ann, "k")

    assert died.status_code == 500
    assert again.status_code == 201
    assert held == again.json()["id"]
    assert shelf.stock["lamp"] == 9


async def test_an_attempt_that_died_is_not_finished_with_another_body(ann: httpx2.AsyncClient, shelf: Any) -> None:
    shelf.dies_after_reserving = True
    await order(ann, "k")
    answer = await order(ann, "k", TWO_LAMPS)

    assert answer.status_code == 422
    assert await count(ann) == 0


async def test_a_refusal_is_not_remembered(ann: httpx2.AsyncClient, shelf: Any) -> None:
    shelf.stock["lamp"] = 0
    refused = await order(ann, "k")
    shelf.stock["lamp"] = 1
    accepted = await order(ann, "k")

    assert (refused.status_code, accepted.status_code) == (400, 201)


async def test_a_key_is_kept_for_a_day_and_then_makes_a_new_order(ann: httpx2.AsyncClient, clock: Any) -> None:
    first = await order(ann, "k")
    clock.set_now(clock.now() + DAY - SECOND)
    again = await order(ann, "k")
    clock.set_now(clock.now() + SECOND)
    later = await order(ann, "k", TWO_LAMPS)
    later_again = await order(ann, "k", TWO_LAMPS)

    assert first.content == again.content
    assert later.status_code == 201
    assert first.json()["id"] != later.json()["id"]
    assert later.content == later_again.content
    assert await count(ann) == 2


async def test_a_forgotten_key_with_the_same_body_makes_a_new_order(
    ann: httpx2.AsyncClient, clock: Any, shelf: Any
) -> None:
    first = await order(ann, "k")
    clock.set_now(clock.now() + DAY)
    later = await order(ann, "k")

    assert later.status_code == 201
    assert first.json()["id"] != later.json()["id"]
    assert await count(ann) == 2
    assert shelf.stock["lamp"] == 8


async def test_what_was_kept_before_the_table_changed_is_still_answered(
    start_orders: Any, clock: Any, database_url: str
) -> None:
    fingerprint = hashlib.sha256(b'[{"productId":"lamp","quantity":1}]').digest()
    async with open_database(database_url) as database:
        await database.migrate(load_migrations("shop_orders")[:1])
        values = (fingerprint, b'{"id":"as it was"}', to_millis(clock.now()))
        await database.transaction(lambda tx: tx.execute(KEPT_BEFORE, *values))
    async with start_orders() as visitors:
        again = await order(visitors.user("ann"), "k")
        other = await order(visitors.user("ann"), "k", TWO_LAMPS)

    assert (201, b'{"id":"as it was"}') == (again.status_code, again.content)
    assert other.status_code == 422


@pytest.mark.parametrize("key", ["", '""', '"', '"a', 'a"b', "two words", "x" * 256, '"a"b"', "\xe9"])
async def test_what_is_no_key_is_refused(ann: httpx2.AsyncClient, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode("latin-1")}
    answer = await ann.post("/orders", json=LAMP, headers=headers)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "Idempotency-Key"
