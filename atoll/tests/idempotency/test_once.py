"""One Idempotency-Key, one effect, and the same answer byte for byte."""

import asyncio
from datetime import timedelta
from typing import Any

from atoll.testing.asgi import AppClient, AppResponse
from atoll.testing.clock import ManualClock

HELLO = {"text": "hello"}
OTHER = {"text": "something else"}
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


async def post(client: AppClient, key: str, body: object = HELLO, path: str = "/notes") -> AppResponse:
    return await client.post(path, json=body, headers={"Idempotency-Key": key})


def whole(answer: AppResponse) -> tuple[int, dict[str, str], bytes]:
    return answer.status, answer.headers, answer.body


async def test_the_same_again_is_the_same_answer_whole(ann: AppClient, notes: Any) -> None:
    first = await post(ann, "k")
    await post(ann, "another")
    again = await post(ann, "k")

    assert (201, "/notes/1", '"1"') == (first.status, first.headers["location"], first.headers["etag"])
    assert whole(first) == whole(again)
    assert ["hello", "hello"] == await notes.texts()


async def test_without_a_key_each_request_has_its_effect(ann: AppClient, notes: Any) -> None:
    await ann.post("/notes", json=HELLO)
    await ann.post("/notes", json=HELLO)

    assert ["hello", "hello"] == await notes.texts()


async def test_a_status_of_its_own_is_kept_as_well(ann: AppClient) -> None:
    first = await post(ann, "k", path="/drafts")
    again = await post(ann, "k", path="/drafts")

    assert 203 == first.status
    assert whole(first) == whole(again)


async def test_an_answer_without_a_body_is_kept_as_well(ann: AppClient, notes: Any) -> None:
    first = await post(ann, "k", path="/nothing")
    again = await post(ann, "k", path="/nothing")

    assert (204, b"") == (first.status, first.body)
    assert whole(first) == whole(again)
    assert ["hello"] == await notes.texts()


async def test_quoted_or_bare_it_is_the_same_key(ann: AppClient, notes: Any) -> None:
    bare = await post(ann, "a-key")
    quoted = await post(ann, '"a-key"')

    assert whole(bare) == whole(quoted)
    assert ["hello"] == await notes.texts()


async def test_the_same_body_written_otherwise_is_the_same_body(ann: AppClient) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    first = await ann.request("POST", "/notes", content=b'{"text":"hello"}', headers=headers)
    again = await ann.request("POST", "/notes", content=b'{ "text" : "h\\u0065llo" }', headers=headers)

    assert whole(first) == whole(again)


async def test_another_body_is_refused(ann: AppClient, notes: Any) -> None:
    await post(ann, "k")
    refused = await post(ann, "k", OTHER)

    assert 422 == refused.status
    assert "/problems/key-used-differently" == refused.problem().type
    assert ["hello"] == await notes.texts()


async def test_what_is_no_key_is_refused(ann: AppClient, notes: Any) -> None:
    refused = await post(ann, "two words")

    assert 422 == refused.status
    assert [] == await notes.texts()


async def test_keys_belong_to_their_callers(running: Any, notes: Any) -> None:
    mine = await post(running.user("ann"), "k")
    theirs = await post(running.user("bob"), "k", OTHER)
    a_service_of_that_name = await post(running.other_service("ann"), "k")

    assert [1, 2, 3] == [answer.json()["id"] for answer in (mine, theirs, a_service_of_that_name)]


async def test_keys_belong_to_their_routes(ann: AppClient) -> None:
    note = await post(ann, "k")
    draft = await post(ann, "k", path="/drafts")

    assert [1, 2] == [note.json()["id"], draft.json()["id"]]


async def test_many_at_once_have_one_effect_and_one_answer(ann: AppClient, notes: Any) -> None:
    answers = await asyncio.gather(*(post(ann, "k") for _ in range(50)))

    assert 1 == len({answer.body for answer in answers})
    assert {201} == {answer.status for answer in answers}
    assert ["hello"] == await notes.texts()


async def test_many_at_once_at_several_processes_have_one_effect(start_notes: Any) -> None:
    async with start_notes() as here, start_notes() as there:
        clients = [here.user("ann"), there.user("ann")]
        answers = await asyncio.gather(*(post(clients[n % 2], "k") for n in range(50)))
        texts = await here.notes.texts()

    assert 1 == len({(answer.status, answer.body) for answer in answers})
    assert ["hello"] == texts


async def test_different_bodies_at_once_have_one_effect(ann: AppClient, notes: Any) -> None:
    answers = await asyncio.gather(*(post(ann, "k", [HELLO, OTHER][n % 2]) for n in range(50)))

    assert {201: 25, 422: 25} == {status: [answer.status for answer in answers].count(status) for status in (201, 422)}
    assert 1 == len(await notes.texts())


async def test_a_refusal_is_not_remembered(ann: AppClient, notes: Any) -> None:
    notes.most = 0
    refused = await post(ann, "k")
    notes.most = 1
    accepted = await post(ann, "k")

    assert [409, 201] == [refused.status, accepted.status]


async def test_of_many_at_once_the_refused_leave_room_for_the_others(ann: AppClient, notes: Any) -> None:
    notes.most = 0
    refused = asyncio.gather(*(post(ann, "k") for _ in range(10)))
    await asyncio.sleep(0)
    notes.most = 1
    statuses = {answer.status for answer in await refused}

    assert statuses <= {201, 409}
    assert 201 == (await post(ann, "k")).status
    assert ["hello"] == await notes.texts()


async def test_a_key_is_kept_for_a_day_and_is_new_then(ann: AppClient, clock: ManualClock, notes: Any) -> None:
    first = await post(ann, "k")
    clock.set_now(clock.now() + DAY - SECOND)
    again = await post(ann, "k")
    clock.set_now(clock.now() + SECOND)
    later = await post(ann, "k", OTHER)
    later_again = await post(ann, "k", OTHER)

    assert whole(first) == whole(again)
    assert whole(later) == whole(later_again)
    assert ["hello", "something else"] == await notes.texts()


async def test_a_client_that_goes_away_takes_nothing_from_the_others(ann: AppClient, notes: Any) -> None:
    gone = asyncio.create_task(post(ann, "k"))
    waiting = [asyncio.create_task(post(ann, "k")) for _ in range(5)]
    await asyncio.sleep(0)
    gone.cancel()
    answers = await asyncio.gather(*waiting)

    assert 1 == len({answer.body for answer in answers})
    assert ["hello"] == await notes.texts()
