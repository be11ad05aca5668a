"""What is written in one turn of the loop leaves in one piece, and nothing waits longer than that."""

import asyncio

from atoll.lifecycle.joined_writes import MAX_JOINED, JoinedWrites


class RecordingTransport(asyncio.Transport):
    """Notes what reaches it, in order; `None` stands for the close."""

    def __init__(self) -> None:
        super().__init__()
        self.happened: list[bytes | None] = []

    def write(self, data: "bytes | bytearray | memoryview[int]") -> None:
        self.happened.append(bytes(data))

    def close(self) -> None:
        self.happened.append(None)

    def is_closing(self) -> bool:
        return None in self.happened


def joined() -> tuple[JoinedWrites, RecordingTransport]:
    transport = RecordingTransport()
    return JoinedWrites(transport, asyncio.get_running_loop(), end=transport.close), transport


async def test_head_and_body_of_one_turn_are_one_write() -> None:
    writes, transport = joined()
    writes.write(b"head ")
    writes.write(b"body")

    assert [b"head body"] == transport.happened


async def test_a_head_alone_is_written_at_the_end_of_the_turn() -> None:
    writes, transport = joined()
    writes.write(b"head")
    at_once = list(transport.happened)
    await asyncio.sleep(0)

    assert ([], [b"head"]) == (at_once, transport.happened)


async def test_answers_of_one_turn_keep_their_order() -> None:
    writes, transport = joined()
    for piece in (b"a", b"b", b"c"):
        writes.write(piece)
    await asyncio.sleep(0)

    assert [b"ab", b"c"] == transport.happened


async def test_a_large_body_is_not_copied_behind_its_head() -> None:
    writes, transport = joined()
    body = b"x" * MAX_JOINED
    writes.write(b"head")
    writes.write(body)
    writes.write(body)

    assert [b"head", body, body] == transport.happened


async def test_closing_loses_nothing_and_is_not_followed_by_a_write() -> None:
    writes, transport = joined()
    writes.write(b"head")
    writes.close()
    await asyncio.sleep(0)

    assert [b"head", None] == transport.happened
    assert writes.is_closing()
