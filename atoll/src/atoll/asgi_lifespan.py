"""Starting and stopping a foreign ASGI app, by the lifespan protocol (ASGI 3.0), from the server's side."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

from starlette.types import ASGIApp, Message, Scope


class AsgiLifespan(AbstractAsyncContextManager["AsgiLifespan"]):
    """Within, the app has started; it is stopped at the end. An app that knows no lifespan is left alone.

    `state` is what the app wants its requests to have in `scope["state"]`. Entering raises RuntimeError with the
    app's own words when it says that it cannot start, leaving when it says that it failed to stop.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._conversation: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"lifespan of {type(self._app).__name__}"

    async def __aenter__(self) -> "AsgiLifespan":
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        self._conversation = asyncio.create_task(self._talk(scope))
        await self._ask("lifespan.startup", self._conversation)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._conversation is not None and not self._conversation.done():
            await self._ask("lifespan.shutdown", self._conversation)
            await asyncio.wait((self._conversation,))

    async def _talk(self, scope: Scope) -> None:
        await self._app(scope, self._to_app.get, self._from_app.put)

    async def _ask(self, event: str, conversation: asyncio.Task[None]) -> None:
        """Tell the app, and wait for its word; one that ends the conversation instead knows no lifespan."""
        await self._to_app.put({"type": event})
        word = asyncio.ensure_future(self._from_app.get())
        try:
            await asyncio.wait((word, conversation), return_when=asyncio.FIRST_COMPLETED)
            if word.done() and word.result()["type"] == f"{event}.failed":
                await asyncio.wait((conversation,))
                raise RuntimeError(_last_line(word.result().get("message", ""))) from conversation.exception()
        finally:
            word.cancel()
        if conversation.done():
            conversation.exception()  # an error instead of a word is how apps without a lifespan say so


def _last_line(message: str) -> str:
    """Starlette sends a whole traceback; its last line is the error."""
    return message.strip().rpartition("\n")[2] or "the app gave no reason"
