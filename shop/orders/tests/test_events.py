"""Live status: where an order is, and each change of it as it happens."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx2
import pytest

from atoll.storage import load_migrations, open_database
from atoll.testing.callers import Callers
from atoll.testing.clock import ManualClock
from atoll.testing.serving import serving
from shop_orders.places import MOST_OF_ONE_CALLER
from shop_orders.use_cases.follow_order import LONGEST

LAMP = {"items": [{"productId": "lamp", "quantity": 1}]}
PATIENCE = 10.0
AN_OLD_ORDER = """
    INSERT INTO orders (id, user_id, lines, total, currency, status, created_at, updated_at)
    VALUES ('old', 'ann', '[]', 0, 'EUR', 'delivered', 1, 2)
"""


class Event(NamedTuple):
    """One event as a browser would see it; a comment is the one without an id."""

    id: str
    data: Any


class Follower:
    """Reads a stream of events."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def next(self) -> Event | None:
        """The next event or comment; None at the end of the stream."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE):
            async for line in self._lines:
                if not line and (fields.keys() & {"id", ""}):
                    return Event(fields.get("id", ""), json.loads(fields.get("data", "null")))
                name, _, value = line.partition(":")
                if line:
                    fields[name] = value.strip()
        return None

    async def status(self) -> str:
        """Which state the next event tells of."""
        event = await self.next()
        assert event is not None
        return str(event.data["status"])

    async def rest(self) -> list[Event]:
        """Everything up to the end."""
        events = []
        while (event := await self.next()) is not None:
            events.append(event)
        return events


class Door(NamedTuple):
    """Clients of the service on a socket."""

    url: str
    callers: Callers

    @asynccontextmanager
    async def client(self, subject: str, *roles: str) -> AsyncIterator[httpx2.AsyncClient]:
        headers = self.callers.user(subject, *roles)
        limits = httpx2.Limits(max_connections=50)
        async with httpx2.AsyncClient(base_url=self.url, headers=headers, limits=limits) as client:
            yield client


@asynccontextmanager
async def following(client: httpx2.AsyncClient, order_id: str, after: str = "") -> AsyncIterator[Follower]:
    headers = {"Last-Event-ID": after} if after else {}
    async with client.stream("GET", f"/orders/{order_id}/events", headers=headers) as answer:
        yield Follower(answer)


@pytest.fixture
async def door(new_service: Any, callers: Callers) -> AsyncIterator[Door]:
    async with serving(new_service()) as url:
        yield Door(url, callers)


@pytest.fixture
async def ann(door: Door) -> AsyncIterator[httpx2.AsyncClient]:
    async with door.client("ann") as client:
        yield client


@pytest.fixture
async def admin(door: Door) -> AsyncIterator[httpx2.AsyncClient]:
    async with door.client("root", "admin") as client:
        yield client


@pytest.fixture
async def order_id(ann: httpx2.AsyncClient, shelf: Any) -> str:
    """An order of Ann's that stays pending, until products can be told again."""
    shelf.deaf = True
    return str((await ann.post("/orders", json=LAMP)).json()["id"])


async def deliver(admin: httpx2.AsyncClient, order_id: str) -> None:
    for status in ("shipped", "delivered"):
        answer = await admin.patch(f"/orders/{order_id}/status", json={"status": status})
        assert answer.status_code == 200, answer.text


async def test_an_order_is_followed_from_where_it_is_to_its_end(
    ann: httpx2.AsyncClient, admin: httpx2.AsyncClient, order_id: str, shelf: Any, eventually: Any
) -> None:
    async with following(ann, order_id) as events:
        first = await events.next()
        shelf.deaf = False
        await eventually.status(ann, order_id, "confirmed")
        confirmed = await events.status()
        await deliver(admin, order_id)
        rest = await events.rest()

    assert "text/event-stream" == events.answer.headers["content-type"]
    assert first == Event("1", {"orderId": order_id, "status": "pending", "changedAt": "2030-01-01T00:00:00Z"})
    assert "confirmed" == confirmed
    assert [("3", "shipped"), ("4", "delivered")] == [(event.id, event.data["status"]) for event in rest]


async def test_who_comes_later_is_told_where_it_is_and_not_where_it_was(ann: httpx2.AsyncClient, order_id: str) -> None:
    await ann.post(f"/orders/{order_id}/cancel")
    async with following(ann, order_id) as events:
        told = await events.rest()

    assert [("2", "cancelled")] == [(event.id, event.data["status"]) for event in told]


async def test_who_comes_back_is_told_what_it_missed(
    ann: httpx2.AsyncClient, admin: httpx2.AsyncClient, order_id: str, shelf: Any, eventually: Any
) -> None:
    async with following(ann, order_id) as events:
        seen = await events.next()
    assert seen is not None
    shelf.deaf = False
    await eventually.status(ann, order_id, "confirmed")
    await deliver(admin, order_id)
    async with following(ann, order_id, after=seen.id) as events:
        missed = await events.rest()

    assert ["2", "3", "4"] == [event.id for event in missed]


@pytest.mark.parametrize("nonsense", ["0", "7", "-1", "one", "9" * 300, "1.0"])
async def test_who_has_seen_what_never_was_is_told_where_it_is(
    ann: httpx2.AsyncClient, order_id: str, nonsense: str
) -> None:
    async with following(ann, order_id, after=nonsense) as events:
        first = await events.next()

    assert first is not None
    assert "1" == first.id


async def test_who_has_seen_the_end_need_not_come_back(ann: httpx2.AsyncClient, order_id: str) -> None:
    await ann.post(f"/orders/{order_id}/cancel")
    answer = await ann.get(f"/orders/{order_id}/events", headers={"Last-Event-ID": "2"})

    assert (204, b"") == (answer.status_code, answer.content)


async def test_only_who_may_see_an_order_can_follow_it(door: Door, admin: httpx2.AsyncClient, order_id: str) -> None:
    async with door.client("bob") as bob:
        of_another = await bob.get(f"/orders/{order_id}/events")
        of_nobody = await bob.get("/orders/nothing/events")
    async with httpx2.AsyncClient(base_url=door.url) as stranger:
        unknown = await stranger.get(f"/orders/{order_id}/events")
    async with following(admin, order_id) as events:
        seen = await events.status()

    assert [404, 404, 401] == [answer.status_code for answer in (of_another, of_nobody, unknown)]
    assert of_another.json()["type"] == of_nobody.json()["type"]
    assert "pending" == seen


async def test_a_silent_stream_has_a_heart_that_beats(
    ann: httpx2.AsyncClient, clock: ManualClock, order_id: str
) -> None:
    async with following(ann, order_id) as events:
        await events.next()
        beats = [await beat(events, clock) for _ in range(3)]

    assert [Event("", None)] * 3 == beats


async def beat(events: Follower, clock: ManualClock) -> Event | None:
    """What comes within the 15 seconds after the last one, and not before."""
    coming = asyncio.create_task(events.next())
    await clock.advance(14.9)
    assert not coming.done()
    while not coming.done():
        await clock.advance(0.1)
        await asyncio.sleep(0.001)
    return await coming


async def test_a_stream_lasts_no_longer_than_a_token(
    ann: httpx2.AsyncClient, clock: ManualClock, order_id: str
) -> None:
    async with following(ann, order_id) as events:
        await events.next()
        ended = asyncio.create_task(events.rest())
        started = clock.monotonic()
        while not ended.done():
            await clock.advance(1)
            await asyncio.sleep(0)
        await ended

    assert LONGEST <= clock.monotonic() - started < LONGEST + 60


async def test_one_caller_follows_only_so_many_at_once(door: Door, ann: httpx2.AsyncClient, order_id: str) -> None:
    async with following(ann, order_id) as first:
        await first.next()
        others = [asyncio.create_task(follow_until_cancelled(ann, order_id)) for _ in range(MOST_OF_ONE_CALLER - 1)]
        await until_status(ann, order_id, 429)
        refused = await ann.get(f"/orders/{order_id}/events")
        async with door.client("root", "admin") as admin, following(admin, order_id) as events:
            of_another_caller = await events.status()
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    free = await until_status(ann, order_id, 200)

    assert 200 == free
    assert "/problems/too-many-streams" == refused.json()["type"]
    assert "5" == refused.headers["retry-after"]
    assert "pending" == of_another_caller


async def follow_until_cancelled(client: httpx2.AsyncClient, order_id: str) -> None:
    async with following(client, order_id) as events:
        await events.rest()


async def until_status(client: httpx2.AsyncClient, order_id: str, status: int) -> int:
    """Return when a HEAD, which takes a place and gives it back at once, is answered so."""
    async with asyncio.timeout(PATIENCE):
        while (answer := await client.head(f"/orders/{order_id}/events")).status_code != status:  # noqa: ASYNC110 - as a client
            await asyncio.sleep(0.01)
    return answer.status_code


async def test_asking_for_the_head_alone_holds_no_place(ann: httpx2.AsyncClient, order_id: str) -> None:
    answers = [await ann.head(f"/orders/{order_id}/events") for _ in range(2 * MOST_OF_ONE_CALLER)]

    assert {200} == {answer.status_code for answer in answers}


async def test_a_stop_ends_streams_at_once_and_whole(new_service: Any, callers: Callers, shelf: Any) -> None:
    shelf.deaf = True
    service = serving(new_service())
    url = await service.__aenter__()
    async with httpx2.AsyncClient(base_url=url, headers=callers.user("ann")) as ann:
        order_id = (await ann.post("/orders", json=LAMP)).json()["id"]
        async with following(ann, order_id) as events:
            await events.next()
            async with asyncio.timeout(3):
                stopping = asyncio.create_task(service.__aexit__(None, None, None))
                rest = await events.rest()
                await stopping

    assert [] == rest


async def test_what_another_process_changes_is_told_as_well(
    new_service: Any, door: Door, ann: httpx2.AsyncClient, order_id: str, clock: ManualClock
) -> None:
    async with serving(new_service()) as other_url, following(ann, order_id) as events:
        await events.next()
        async with httpx2.AsyncClient(base_url=other_url, headers=door.callers.user("ann")) as ann_elsewhere:
            await ann_elsewhere.post(f"/orders/{order_id}/cancel")
        rest = asyncio.create_task(events.rest())
        while not rest.done():
            await clock.advance(0.1)
            await asyncio.sleep(0.001)
        told = await rest

    assert ["cancelled"] == [event.data["status"] for event in told if event.id]


async def test_an_order_from_before_changes_were_noted_is_told_as_it_is(
    new_service: Any, callers: Callers, database_url: str
) -> None:
    async with open_database(database_url) as database:
        await database.migrate(load_migrations("shop_orders")[:2])
        await database.transaction(lambda tx: tx.execute(AN_OLD_ORDER))
    async with (
        serving(new_service()) as url,
        httpx2.AsyncClient(base_url=url, headers=callers.user("ann")) as ann,
        following(ann, "old") as events,
    ):
        told = await events.rest()

    assert [("1", "delivered")] == [(event.id, event.data["status"]) for event in told]
