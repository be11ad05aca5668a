"""Asking a service from outside how it is: one small request, nothing kept."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_LARGEST_ANSWER = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, 0 when nothing did, and the JSON object, empty when there was none.

    `text` is the body as it came.
    """

    status: int
    body: dict[str, Any]
    text: str = ""

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300


_NOTHING = Answer(0, {})


async def ask(url: str, timeout: float = 2.0) -> Answer:
    """GET `url`, within `timeout` seconds; never raises.

    In HTTP/1.0, so that the answer ends with the connection and needs no parser.
    """
    try:
        async with asyncio.timeout(timeout):
            return _parsed(await _fetched(url))
    except (OSError, ValueError):
        return _NOTHING


async def _fetched(url: str) -> bytes:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    try:
        target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        writer.write(f"GET {target} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
        return await _everything_from(reader)
    finally:
        writer.close()


async def _everything_from(reader: asyncio.StreamReader) -> bytes:
    received = b""
    while len(received) < _LARGEST_ANSWER and (chunk := await reader.read(65536)):
        received += chunk
    return received


def _parsed(answer: bytes) -> Answer:
    """ValueError when it is no answer of HTTP."""
    head, _, body = answer.partition(b"\r\n\r\n")
    version, status, *_ = head.split(maxsplit=2)
    if not version.startswith(b"HTTP/1."):
        raise ValueError(f"{version!r} is not HTTP/1.x")
    return Answer(int(status), _json_object(body), body.decode("utf-8", "replace"))


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
