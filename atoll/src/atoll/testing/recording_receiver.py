"""A receiver that only writes down what it is told: for tests of HTTP/1.1 connections."""

import asyncio

from atoll.http1.errors import ConnectionFault
from atoll.http1.messages import Fields


class RecordingReceiver:
    """What came of one request; `over` is set by `on_end` and `on_lost`."""

    def __init__(self) -> None:
        self.status = 0
        self.fields: Fields = []
        self.parts: list[bytes] = []
        self.ends: list[bool] = []
        """What `on_end` was told, once for each call."""
        self.faults: list[ConnectionFault] = []
        self.sending_changes: list[str] = []
        self.over = asyncio.Event()
        self.changed = asyncio.Event()

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    async def until_body_has(self, size: int) -> None:
        """Suspend until that many bytes of the body came."""
        while len(self.body) < size:
            self.changed.clear()
            await self.changed.wait()

    async def until_sending_changed(self, times: int) -> None:
        """Suspend until sending was paused or resumed that many times."""
        while len(self.sending_changes) < times:
            self.changed.clear()
            await self.changed.wait()

    def on_head(self, status: int, fields: Fields) -> None:
        assert self.status == 0
        self.status = status
        self.fields = fields

    def on_body(self, data: bytes) -> None:
        assert self.status != 0
        assert data
        self.parts.append(data)
        self.changed.set()

    def on_whole(self, status: int, fields: Fields, body: bytes, reusable: bool) -> None:
        self.on_head(status, fields)
        if body:
            self.on_body(body)
        self.on_end(reusable)

    def on_end(self, reusable: bool) -> None:
        self.ends.append(reusable)
        self.over.set()

    def on_lost(self, error: ConnectionFault) -> None:
        self.faults.append(error)
        self.over.set()

    def pause_sending(self) -> None:
        self.sending_changes.append("paused")
        self.changed.set()

    def resume_sending(self) -> None:
        self.sending_changes.append("resumed")
        self.changed.set()
