"""orders, which sends its events as soon as they are known, and commits when they are sent.

It dies once between the two.
"""

import asyncio
import os
import runpy
import time
from typing import Any

from tests.faults.planted import dying

from atoll.events import Event, Message, Outbox, open_broker
from atoll.events.envelope import encode
from atoll.storage import Transaction
from atoll.storage.sqlite.writing import WritingConnection

BEFORE = 20
"""Events that are sent before it dies."""

add, commit = Outbox.add, WritingConnection.commit
tasks: list[asyncio.Task[None]] = []
under_way: set[str] = set()


async def send(message: Message, event_id: str) -> None:
    try:
        async with open_broker(os.environ["VALKEY_URL"]) as broker:
            await broker.publish([message])
        if len(tasks) > BEFORE:
            dying.die_once()
    finally:
        under_way.discard(event_id)


async def send_and_add(self: Outbox, tx: Transaction, *events: Event[Any]) -> None:
    for event in events:
        under_way.add(event.id)
        message = Message(event.type, encode(event))
        tasks.append(asyncio.get_running_loop().create_task(send(message, event.id)))
    await add(self, tx, *events)


def commit_what_is_sent(self: WritingConnection) -> None:
    while under_way:
        time.sleep(0.001)  # in the thread of commits
    commit(self)


Outbox.add = send_and_add  # type: ignore[method-assign]  # the bug
WritingConnection.commit = commit_what_is_sent  # type: ignore[method-assign]  # the bug

if __name__ == "__main__":
    runpy.run_module("shop_orders", run_name="__main__")
