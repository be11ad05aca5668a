"""A client that sends any bytes, and reads answers strictly with a parser that shares nothing with the server's."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RawAnswer:
    """One answer as it came. Names of fields are in lower case; repeated ones are joined with a comma."""

    status: int
    fields: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class RawClient:
    """One connection. Reading gives up after `patience` seconds with a TimeoutError."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, patience: float = 10.0) -> None:
        self._reader = reader
        self._writer = writer
        self._patience = patience

    async def send(self, data: bytes) -> None:
        """Send the bytes as they are; returns when the kernel has nearly all of them."""
        self._writer.write(data)
        await self._writer.drain()

    async def send_in_pieces(self, data: bytes, size: int = 1) -> None:
        """Send so many bytes at a time, letting the server read each by itself when it runs in this loop."""
        for start in range(0, len(data), size):
            await self.send(data[start : start + size])
            await asyncio.sleep(0)

    async def request(self, data: bytes) -> RawAnswer:
        """Send a whole request and read its answer."""
        await self.send(data)
        return await self.answer(to_head=data.startswith(b"HEAD "))

    async def answer(self, *, to_head: bool = False) -> RawAnswer:
        """The next answer, interim ones left out; AssertionError when it breaks HTTP/1.1."""
        async with asyncio.timeout(self._patience):
            status, fields = await self.head()
            while status < 200:
                status, fields = await self.head()
            return RawAnswer(status, fields, await self._body(status, fields, to_head))

    async def head(self) -> tuple[int, dict[str, str]]:
        """The next head alone: status and fields."""
        raw = await self._reader.readuntil(b"\r\n\r\n")
        line, *lines = raw[:-4].decode("latin-1").split("\r\n")
        version, status, _ = line.split(" ", 2)
        assert version == "HTTP/1.1", line
        fields: dict[str, str] = {}
        for each in lines:
            name, colon, value = each.partition(":")
            assert colon, each
            assert name.strip() == name != "", each
            assert not {"\r", "\n"} & set(each), each
            name, value = name.lower(), value.strip()
            assert name not in fields or name not in {"content-length", "transfer-encoding"}, each
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
        return int(status), fields

    async def chunk(self) -> bytes:
        """The next chunk of a chunked body; empty at its end."""
        line = await self._line()
        size = int(line, 16)
        data = await self._reader.readexactly(size)
        end = await self._line()
        assert end == b"", "a chunk longer than its size"
        return data

    async def read(self, size: int) -> bytes:
        """So many bytes, whatever they are."""
        async with asyncio.timeout(self._patience):
            return await self._reader.readexactly(size)

    async def rest(self) -> bytes:
        """Everything until the server closes; a reset counts as the end."""
        async with asyncio.timeout(self._patience):
            with contextlib.suppress(ConnectionResetError):
                return await self._reader.read(-1)
            return b""

    async def is_closed(self) -> bool:
        """Whether the server closes, within the client's patience, and sends nothing before."""
        return await self.rest() == b""

    def pause(self) -> None:
        """Read nothing from now on, so that the server's bytes pile up."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport for both ways

    def resume(self) -> None:
        """Read again."""
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]  # a transport for both ways

    def hang_up(self) -> None:
        """Close at once, with a reset."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close; what the server has not taken yet is given up."""
        if self._writer.transport.get_write_buffer_size():
            self.hang_up()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _line(self) -> bytes:
        line = await self._reader.readuntil(b"\r\n")
        return line[:-2]

    async def _body(self, status: int, fields: dict[str, str], to_head: bool) -> bytes:
        length = fields.get("content-length")
        chunked = fields.get("transfer-encoding") == "chunked"
        assert not (length is not None and "transfer-encoding" in fields), "two framings"
        if to_head or status in {204, 304}:
            return b""
        if chunked:
            pieces = []
            while piece := await self.chunk():
                pieces.append(piece)
            return b"".join(pieces)
        if length is not None:
            return await self._reader.readexactly(int(length))
        assert fields.get("connection") == "close", "a body without an end"
        return await self._reader.read(-1)


@contextlib.asynccontextmanager
async def connected(port: int, *, host: str = "127.0.0.1", patience: float = 10.0) -> AsyncIterator[RawClient]:
    """A connection while the block runs."""
    reader, writer = await asyncio.open_connection(host, port)
    client = RawClient(reader, writer, patience=patience)
    try:
        yield client
    finally:
        await client.close()
