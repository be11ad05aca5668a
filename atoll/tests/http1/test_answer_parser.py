"""Bytes in, the parts of one answer out: strictly, and the same however the bytes were cut."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.http1.answer_parser import AnswerLimits, AnswerParser
from atoll.http1.errors import ConnectionEnded, InvalidAnswer
from atoll.testing.recording_receiver import RecordingReceiver


def parsed(*pieces: bytes, to_head: bool = False, limits: AnswerLimits | None = None) -> "Outcome":
    receiver = RecordingReceiver()
    parser = AnswerParser(limits or AnswerLimits())
    parser.expect(receiver, to_head=to_head)
    for piece in pieces:
        if not parser.ended:
            parser.feed(piece)
        else:
            parser.reusable = False  # what comes later finds the connection idle, and closes it
    return Outcome(parser, receiver)


class Outcome:
    def __init__(self, parser: AnswerParser, receiver: RecordingReceiver) -> None:
        self.parser = parser
        self.status = receiver.status
        self.fields = receiver.fields
        self.body = receiver.body
        self.ended = parser.ended
        self.reusable = parser.reusable

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outcome) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return repr((self.status, self.fields, self.body, self.ended, self.reusable))


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def test_an_answer_with_a_length_ends_after_it() -> None:
    outcome = parsed(OK + b"X-One: 1\r\nContent-Length: 5\r\n\r\nhello")

    assert outcome.status == 200
    assert outcome.fields == [(b"X-One", b"1"), (b"Content-Length", b"5")]
    assert outcome.body == b"hello"
    assert outcome.ended
    assert outcome.reusable


def test_an_answer_is_not_ended_before_its_last_byte() -> None:
    assert not parsed(OK + b"Content-Length: 5\r\n\r\nhell").ended


def test_chunks_lose_their_frames_extensions_and_trailers() -> None:
    outcome = parsed(CHUNKED + b"3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: 1\r\n\r\n")

    assert outcome.body == b"hello"
    assert outcome.fields == [(b"Transfer-Encoding", b"chunked")]
    assert outcome.reusable


def test_a_body_without_a_length_lasts_until_the_connection_ends() -> None:
    outcome = parsed(OK + b"\r\nhel", b"lo")
    assert not outcome.ended

    outcome.parser.feed_eof()

    assert outcome.parser.ended
    assert not outcome.parser.reusable


@pytest.mark.parametrize(
    "cut",
    [
        b"",
        b"HTTP/1.1 20",
        OK + b"Content-Length: 5\r\n",
        OK + b"Content-Length: 5\r\n\r\nhell",
        CHUNKED + b"5\r\nhello\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_a_connection_that_ends_before_the_answer_is_told(cut: bytes) -> None:
    outcome = parsed(cut)

    with pytest.raises(ConnectionEnded):
        outcome.parser.feed_eof()


@pytest.mark.parametrize("fields", [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"])
@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_statuses_without_a_body_end_with_the_head(status: bytes, fields: bytes) -> None:
    outcome = parsed(b"HTTP/1.1 " + status + b"\r\n" + fields + b"\r\n")

    assert outcome.ended
    assert outcome.reusable


@pytest.mark.parametrize("fields", [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_the_answer_to_head_ends_with_its_head(fields: bytes) -> None:
    outcome = parsed(OK + fields + b"\r\n", to_head=True)

    assert outcome.body == b""
    assert outcome.ended
    assert outcome.reusable


@pytest.mark.parametrize(
    ("fields", "excess"),
    [
        (b"Content-Length: 5\r\n", b"hello"),
        (b"Content-Length: 5\r\n", b"h"),
        (b"Content-Length: 0\r\n", b"HTTP/1.1 200 OK\r\n"),
        (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked\r\n", b"5"),
        (b"Transfer-Encoding: chunked\r\n", b"zzz"),
    ],
)
def test_a_body_in_the_answer_to_head_spoils_the_connection(fields: bytes, excess: bytes) -> None:
    outcome = parsed(OK + fields + b"\r\n" + excess, to_head=True)

    assert outcome.body == b""
    assert outcome.ended
    assert not outcome.reusable


def test_an_answer_can_follow_the_answer_to_head() -> None:
    parser = AnswerParser(AnswerLimits())
    parser.expect(RecordingReceiver(), to_head=True)
    parser.feed(OK + b"Content-Length: 5\r\n\r\n")
    receiver = RecordingReceiver()

    parser.expect(receiver, to_head=False)
    parser.feed(OK + b"Content-Length: 2\r\n\r\nhi")

    assert receiver.body == b"hi"
    assert parser.reusable


def test_interim_answers_are_passed_over() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"

    outcome = parsed(interim + OK + b"Content-Length: 0\r\n\r\n")

    assert outcome.status == 200
    assert outcome.fields == [(b"Content-Length", b"0")]
    assert outcome.reusable


@pytest.mark.parametrize("status", [b"101 Switching Protocols", b"099 Odd"])
@pytest.mark.parametrize("fields", [b"", b"Connection: upgrade\r\nUpgrade: websocket\r\n"])
def test_a_status_nobody_asked_for_is_refused(status: bytes, fields: bytes) -> None:
    with pytest.raises(InvalidAnswer, match="Nobody asked"):
        parsed(b"HTTP/1.1 " + status + b"\r\n" + fields + b"\r\nmore")


def test_an_upgrade_that_is_only_offered_does_no_harm() -> None:
    outcome = parsed(OK + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi")

    assert outcome.body == b"hi"


@pytest.mark.parametrize("fields", [b"Connection: close\r\n", b"Connection: foo, Close\r\n"])
def test_a_server_that_wants_to_close_is_not_asked_again(fields: bytes) -> None:
    outcome = parsed(OK + fields + b"Content-Length: 2\r\n\r\nhi")

    assert outcome.ended
    assert not outcome.reusable


def test_http_1_0_closes_unless_it_says_otherwise() -> None:
    assert not parsed(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi").reusable
    assert parsed(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi").reusable


@pytest.mark.parametrize("excess", [b"H", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"\x00", b"garbage"])
@pytest.mark.parametrize("fields", [b"", b"Connection: close\r\n"])
def test_bytes_after_the_end_spoil_the_connection_and_not_the_answer(fields: bytes, excess: bytes) -> None:
    outcome = parsed(OK + fields + b"Content-Length: 5\r\n\r\nhello" + excess)

    assert outcome.status == 200
    assert outcome.body == b"hello"
    assert outcome.ended
    assert not outcome.reusable


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/3.0 200 OK\r\n\r\n",
        OK + b"X: 1\r\n folded\r\n\r\n",
        OK + b"X : 1\r\n\r\n",
        OK + b"X: \x00\r\n\r\n",
        OK + b": nameless\r\n\r\n",
        OK + b"X: 1\n\n",
        OK + b"X: 1\r2\r\n\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"Content-Length: 5, 5\r\n\r\nhello",
        OK + b"Content-Length: +5\r\n\r\nhello",
        OK + b"Content-Length: 99999999999999999999\r\n\r\n",
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: gzip\r\n\r\nhello",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"5\r\nhello0\r\n\r\n",
        CHUNKED + b"5\nhello\r\n0\r\n\r\n",
        CHUNKED + b"fffffffffffffffff\r\n",
    ],
)
def test_what_is_not_http_is_refused(answer: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        parsed(answer)


def test_a_head_may_be_as_large_as_the_limit_and_not_larger() -> None:
    head = OK + b"Content-Length: 0\r\nX: " + b"x" * 100 + b"\r\n\r\n"
    size = len(b"HTTP/1.1 200 \r\n\r\n" + b"Content-Length: 0\r\nX: \r\n") + 100

    assert parsed(head, limits=AnswerLimits(head=size)).ended
    with pytest.raises(InvalidAnswer, match="head"):
        parsed(head, limits=AnswerLimits(head=size - 1))


def test_a_large_body_in_the_same_piece_is_not_counted_as_head() -> None:
    outcome = parsed(OK + b"Content-Length: 1000\r\n\r\n" + b"x" * 1000, limits=AnswerLimits(head=100))

    assert len(outcome.body) == 1000


def test_a_head_that_never_ends_is_refused() -> None:
    with pytest.raises(InvalidAnswer, match="head"):
        parsed(OK, *[b"X: 1\r\n"] * 1000, limits=AnswerLimits(head=1000, fields=10_000))


def test_interim_answers_count_as_head() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    with pytest.raises(InvalidAnswer, match="head"):
        parsed(interim * 100 + OK + b"Content-Length: 0\r\n\r\n", limits=AnswerLimits(head=1000))
    with pytest.raises(InvalidAnswer, match="head"):
        parsed(*[interim] * 100, limits=AnswerLimits(head=1000))


def test_too_many_fields_are_refused() -> None:
    with pytest.raises(InvalidAnswer, match="fields"):
        parsed(OK + b"X: 1\r\n" * 11 + b"\r\n", limits=AnswerLimits(fields=10))


def test_a_detached_receiver_hears_no_more() -> None:
    receiver = RecordingReceiver()
    parser = AnswerParser(AnswerLimits())
    parser.expect(receiver, to_head=False)
    parser.feed(OK + b"Content-Length: 5\r\n\r\nhe")

    parser.detach()
    parser.feed(b"llo")

    assert receiver.body == b"he"


def test_what_a_receiver_raises_comes_out_as_it_is() -> None:
    class Broken(RecordingReceiver):
        def on_body(self, data: bytes) -> None:
            raise ZeroDivisionError

    parser = AnswerParser(AnswerLimits())
    parser.expect(Broken(), to_head=False)

    with pytest.raises(ZeroDivisionError):
        parser.feed(OK + b"Content-Length: 5\r\n\r\nhello")


ANSWERS = [
    OK + b"X-Empty:\r\nX-One:  a b \r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nhi",
    CHUNKED + b"3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: 1\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    OK + b"Connection: close\r\n\r\nuntil the end",
    OK + b"Content-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n",
    OK + b"Transfer-Encoding: gzip\r\n\r\nhello",
    OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    CHUNKED + b"5\r\nhello!\r\n0\r\n\r\n",
]


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    return [data[start:end] for start, end in pairwise([0, *sorted(places), len(data)])]


def outcome_or_refusal(*pieces: bytes, to_head: bool) -> object:
    try:
        return parsed(*pieces, to_head=to_head)
    except InvalidAnswer:
        return "refused"


@given(data=st.data(), answer=st.sampled_from(ANSWERS), to_head=st.booleans())
def test_the_same_comes_out_however_the_bytes_were_cut(data: st.DataObject, answer: bytes, to_head: bool) -> None:
    places = data.draw(st.lists(st.integers(0, len(answer)), max_size=12))

    pieces = [piece for piece in cut(answer, places) if piece]

    assert outcome_or_refusal(*pieces, to_head=to_head) == outcome_or_refusal(answer, to_head=to_head)


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20))
def test_a_body_in_any_chunks_is_the_body(chunks: list[bytes]) -> None:
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)

    outcome = parsed(CHUNKED + framed + b"0\r\n\r\n")

    assert outcome.body == b"".join(chunks)
    assert outcome.reusable
