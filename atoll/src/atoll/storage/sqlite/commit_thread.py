"""The thread that waits for the disk, so that the event loop does not."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeAlias

Work: TypeAlias = Callable[[], None]
Outcome: TypeAlias = Callable[[Exception | None], None]


class CommitThread:
    """Does one thing after the other beside `loop`. Cheaper than an executor, whose futures nobody needs here."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: SimpleQueue[tuple[Work, Outcome] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="commit", daemon=True)
        self._thread.start()

    def submit(self, work: Work, then: Outcome) -> None:
        """Call `work` in the thread, then `then` on the loop, with what `work` raised."""
        self._queue.put((work, then))

    def stop(self) -> None:
        """Return when everything submitted is done. Blocks: for another thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (submitted := self._queue.get()) is not None:
            work, then = submitted
            failure = None
            try:
                work()
            except Exception as error:  # handed to the loop
                failure = error
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits
                self._loop.call_soon_threadsafe(then, failure)
            del submitted, work, then, failure  # nothing is kept alive by waiting for more
