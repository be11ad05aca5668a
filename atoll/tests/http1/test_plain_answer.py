"""Answers read in one go: what counts as plain, and that it reads as `AnswerParser` reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.http1.answer_parser import AnswerLimits, AnswerParser
from atoll.http1.errors import ConnectionFault
from atoll.http1.messages import Fields
from atoll.http1.plain_answer import PlainAnswer, plain_answer

LIMITS = AnswerLimits()
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncontent-length: 5\r\n\r\nhello"


class Parsed:
    """The one answer that bytes are, by `AnswerParser`; `whole` is None for anything else."""

    def __init__(self, data: bytes, limits: AnswerLimits) -> None:
        self._status = 0
        self._fields: Fields = []
        self._body = b""
        parser = AnswerParser(limits)
        parser.expect(self, to_head=False)
        try:
            parser.feed(data)
        except ConnectionFault:
            self.whole = None
        else:
            whole = parser.ended and parser.reusable
            self.whole = (self._status, self._fields, self._body) if whole else None

    def on_head(self, status: int, fields: Fields) -> None:
        self._status, self._fields = status, fields

    def on_body(self, data: bytes) -> None:
        self._body += data


def test_a_plain_answer_is_read_at_once() -> None:
    assert plain_answer(PLAIN, LIMITS) == (
        200,
        [(b"Content-Type", b"text/plain"), (b"content-length", b"5")],
        b"hello",
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PLAIN[:-1],
        PLAIN + b"x",
        PLAIN + PLAIN,
        PLAIN.replace(b"1.1", b"1.0"),
        PLAIN.replace(b"200 OK", b"204 No Content"),
        PLAIN.replace(b"200 OK", b"304 Not Modified"),
        PLAIN.replace(b"200 OK", b"101 Switching Protocols"),
        PLAIN.replace(b"200 OK", b"600 Beyond"),
        PLAIN.replace(b"content-length: 5", b"X-Length: 5"),
        PLAIN.replace(b"content-length: 5", b"content-length: +5"),
        PLAIN.replace(b"content-length: 5", b"content-length: 5\r\nContent-Length: 5"),
        PLAIN.replace(b"content-length: 5", b"content-length: 5\r\ntransfer-encoding: chunked"),
        PLAIN.replace(b"content-length: 5", b"content-length: 5\r\nConnection: close"),
        PLAIN.replace(b"content-length: 5", b"content-length: 5\r\nUpgrade: h2c"),
        PLAIN.replace(b"text/plain", b"text\r\n /plain"),
        PLAIN.replace(b"text/plain", b"text\n/plain"),
        PLAIN.replace(b"text/plain", b"text\x00/plain"),
        PLAIN.replace(b"Type:", b"Type :"),
        PLAIN.replace(b"\r\n", b"\n"),
    ],
)
def test_whatever_is_not_plain_is_left_to_the_parser(data: bytes) -> None:
    assert plain_answer(data, LIMITS) is None


def test_a_head_beyond_a_limit_is_left_to_the_parser() -> None:
    size = PLAIN.index(b"hello")

    assert plain_answer(PLAIN, AnswerLimits(head=size)) is not None
    assert plain_answer(PLAIN, AnswerLimits(head=size - 1)) is None
    assert plain_answer(PLAIN, AnswerLimits(fields=1)) is None


def test_what_is_remembered_of_lines_is_bounded() -> None:
    for number in range(10_000):
        answer = PLAIN.replace(b"text/plain", b"%d" % number)

        assert plain_answer(answer, LIMITS) is not None


names = st.sampled_from(
    [b"Content-Length", b"content-length", b"Connection", b"Transfer-Encoding", b"Upgrade", b"X", b"Date", b"X Y", b""]
)
values = st.one_of(
    st.sampled_from(
        [b"5", b"0", b"05", b"5, 5", b"chunked", b"close", b"keep-alive", b"h2c", b" 5", b"5 ", b"\t5", b""]
    ),
    st.binary(max_size=6),
)
fields = st.tuples(names, st.sampled_from([b": ", b":", b":  ", b" : ", b""]), values).map(b"".join)
status_lines = st.one_of(
    st.just(b"HTTP/1.1 200 OK"),
    st.integers(0, 999).map(lambda status: b"HTTP/1.1 %d Word" % status),
    st.sampled_from(
        [b"HTTP/1.0 200 OK", b"HTTP/1.1 200", b"HTTP/1.1  200 OK", b"http/1.1 200 OK", b"HTTP/1.1 200 \xff"]
    ),
)
line_ends = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n "])


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    lines = [draw(status_lines), *draw(st.lists(fields, max_size=3)), b"content-length: 5"]
    head = b"".join(line + draw(line_ends) for line in draw(st.permutations(lines[1:])))
    return lines[0] + draw(line_ends) + head + b"\r\n" + draw(st.sampled_from([b"hello", b"", b"0\r\n\r\n", b"hello!"]))


@given(answers())
def test_what_is_plain_reads_as_the_parser_reads_it(data: bytes) -> None:
    seen: PlainAnswer | None = plain_answer(data, LIMITS)

    if seen is not None:
        assert seen == Parsed(data, LIMITS).whole


@given(st.integers(0, len(PLAIN)), st.binary(max_size=3))
def test_a_plain_answer_with_any_bytes_in_it_reads_as_the_parser_reads_it(place: int, put: bytes) -> None:
    data = PLAIN[:place] + put + PLAIN[place + len(put) :]
    seen = plain_answer(data, LIMITS)

    if seen is not None:
        assert seen == Parsed(data, LIMITS).whole
