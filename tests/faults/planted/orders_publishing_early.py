"""orders, which sends its events as soon as they are known, although the commit may never come.

Commits take 20 ms longer, as on a slow disk: the window that a kill has to meet is open for that long.
"""

import asyncio
import os
import runpy
import time
from typing import Any

from atoll.events import Event, Message, Outbox, open_broker
from atoll.events.envelope import encode
from atoll.storage import Transaction
from atoll.storage.sqlite.writing import WritingConnection

SLOW_COMMIT = 0.02

add, commit = Outbox.add, WritingConnection.commit
broker = open_broker(os.environ.get("VALKEY_URL", "unix:///nowhere"))
sending: set[asyncio.Task[object]] = set()


async def send(message: Message) -> None:
    if broker._server._client is None:
        broker._server.open()
    await broker.publish([message])


async def publish_and_add(self: Outbox, tx: Transaction, event: Event[Any]) -> None:
    task = asyncio.get_running_loop().create_task(send(Message(event.type, encode(event))))
    sending.add(task)
    task.add_done_callback(sending.discard)
    await add(self, tx, event)


def commit_slowly(self: WritingConnection) -> None:
    time.sleep(SLOW_COMMIT)
    commit(self)


Outbox.add = publish_and_add  # type: ignore[method-assign]  # the bug
WritingConnection.commit = commit_slowly  # type: ignore[method-assign]  # what shows it

if __name__ == "__main__":
    runpy.run_module("shop_orders", run_name="__main__")
