"""The chunked coding, against llhttp as an independent judge."""

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.http1.chunked_body import ChunkedBody
from atoll.http1.messages import LAST_CHUNK, chunk
from atoll.problems import Problem


class Judge:
    """llhttp's reading of a chunked body."""

    def __init__(self) -> None:
        self.body = b""
        self.ended = False
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.ended = True

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)


def read(data: bytes, cut: int = 0) -> tuple[bytes, bytes, bool]:
    """The body, what follows it, and whether it has ended, of data that comes in two pieces."""
    chunked = ChunkedBody()
    first, rest = chunked.feed(data[:cut]) if cut else (b"", b"")
    if chunked.ended:
        return first, rest + data[cut:], True
    second, rest = chunked.feed(data[cut:])
    return first + second, rest, chunked.ended


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.binary(max_size=20), st.data())
def test_what_was_written_is_read_however_it_is_cut(pieces: list[bytes], after: bytes, data: st.DataObject) -> None:
    written = b"".join(map(chunk, pieces)) + LAST_CHUNK
    cut = data.draw(st.integers(0, len(written)))

    assert read(written + after, cut) == (b"".join(pieces), after, True)


ALPHABET = [
    b"0",
    b"1",
    b"2",
    b"a",
    b"F",
    b"x",
    b"\r\n",
    b"\r",
    b"\n",
    b" ",
    b";",
    b"=",
    b":",
    b"abc",
    b"\0",
    b"\t",
    b'"',
]


@given(st.lists(st.sampled_from(ALPHABET), max_size=25).map(lambda parts: b"".join(parts) + LAST_CHUNK))
def test_whatever_is_accepted_llhttp_reads_the_same(data: bytes) -> None:
    try:
        body, rest, ended = read(data)
    except Problem:
        return
    judge = Judge()
    if ended:
        judge.feed(data[: len(data) - len(rest)])

        assert (judge.body, judge.ended) == (body, True)


@given(st.lists(st.sampled_from(ALPHABET), max_size=25).map(b"".join), st.data())
def test_the_verdict_does_not_depend_on_the_cut(data: bytes, draw: st.DataObject) -> None:
    cut = draw.draw(st.integers(0, len(data)))

    assert verdict(data, 0) == verdict(data, cut)


def verdict(data: bytes, cut: int) -> object:
    try:
        return read(data, cut)
    except Problem:
        return "refused"


@pytest.mark.parametrize("size", [b"fffffffffffffffff", b"1" * 20, b""])
def test_sizes_are_bounded(size: bytes) -> None:
    with pytest.raises(Problem):
        ChunkedBody().feed(size + b"\r\n")
