"""Answers that nobody can expect any more are forgotten, a bounded number at a time."""

import asyncio
from datetime import timedelta
from typing import Any

from atoll.clock import to_millis
from atoll.idempotency import Forgetting
from atoll.idempotency.forgetting import AT_ONCE, PAUSE
from atoll.storage import Transaction
from atoll.testing.asgi import AppClient
from atoll.testing.clock import ManualClock
from atoll.testing.eventually import eventually
from atoll.testing.full_database import FullDatabase

KEPT = "SELECT idempotency_key FROM kept_answers ORDER BY idempotency_key"


async def test_answers_that_are_too_old_are_forgotten_by_themselves(
    ann: AppClient, clock: ManualClock, notes: Any
) -> None:
    for key in ("old-1", "old-2", "new"):
        if key == "new":
            clock.set_now(clock.now() + timedelta(days=1))
        await ann.post("/notes", json={"text": "hello"}, headers={"Idempotency-Key": key})
    async with asyncio.timeout(10):
        while len(kept := await notes.database.fetch_all(KEPT)) > 1:
            await clock.advance(60)

    assert [("new",)] == kept


async def test_more_than_one_transaction_may_take_are_forgotten_in_several(clock: ManualClock, notes: Any) -> None:
    count, now = 2 * AT_ONCE + 1, to_millis(clock.now())
    sql = """
        INSERT INTO kept_answers (route, caller, idempotency_key, fingerprint, status, headers, body, created_at)
        VALUES ('POST /notes', 'ann', $1, $2, NULL, '{}', $2, $3)
    """

    async def fill(tx: Transaction) -> None:
        await tx.execute_many(sql, [(f"k{n}", b"", now) for n in range(count)])

    await notes.database.transaction(fill)
    too_early = await Forgetting(notes.database, clock).forget()
    clock.set_now(clock.now() + timedelta(days=1))
    forgotten = await Forgetting(notes.database, clock).forget()

    assert (0, count) == (too_early, forgotten)
    assert [] == await notes.database.fetch_all(KEPT)


async def test_a_full_disk_ends_no_service(ann: AppClient, clock: ManualClock, notes: Any) -> None:
    await ann.post("/notes", json={"text": "hello"}, headers={"Idempotency-Key": "old"})
    later = ManualClock(clock.now() + timedelta(days=1))
    database = FullDatabase(notes.database)
    forgetting = asyncio.create_task(Forgetting(database, later).run())
    await eventually(lambda: later.sleepers or forgetting.done())
    database.is_full = False
    await later.advance(PAUSE)
    await eventually(lambda: later.sleepers or forgetting.done())

    assert forgetting.cancel()
    assert [] == await notes.database.fetch_all(KEPT)
