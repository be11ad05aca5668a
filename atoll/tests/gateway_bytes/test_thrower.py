"""The throwing itself: pieces arrive as pieces, or the suite would show nothing."""

import asyncio
from typing import cast

from atoll.testing.cuts import let_the_other_end_read, ways
from atoll.testing.hostile_requests import OneByOne

AT_ONCE = 32


async def test_pieces_arrive_apart_with_many_clients_at_once() -> None:
    read: dict[bytes, list[bytes]] = {}

    class Keeper(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.pieces: list[bytes] = []
            self.transport = cast("asyncio.Transport", transport)

        def data_received(self, data: bytes) -> None:
            self.pieces.append(data)
            read[self.pieces[0]] = self.pieces

    async def send(number: int) -> None:
        async with clients.connected() as client:
            for letter in (b"%d" % number, b"a", b"b", b"c"):
                await client.send(letter)
                await let_the_other_end_read()

    server = await asyncio.get_running_loop().create_server(Keeper, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    clients = OneByOne(port)
    await asyncio.gather(*(send(number) for number in range(AT_ONCE)))
    server.close()

    assert sorted(read.values()) == sorted([b"%d" % number, b"a", b"b", b"c"] for number in range(AT_ONCE))


def test_every_place_is_cut_once_in_the_long_form() -> None:
    tried = list(ways(b"abcd"))

    assert [way.cuts for way in tried if len(way.cuts) == 1] == [(1,), (2,), (3,)] * 2
    assert [list(way.pieces(b"abcd")) for way in tried[:3]] == [[b"abcd"], [b"a", b"b", b"c", b"d"], [b"a", b"bcd"]]
