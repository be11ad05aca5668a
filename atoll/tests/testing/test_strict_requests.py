"""The judge of requests: what it lets pass, and what not, by the letter of the RFC alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.testing.strict_requests import StrictReader, strict_requests

GET = b"GET /a?b HTTP/1.1\r\nHost: x\r\nA:  b \r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nab\r\n1\r\nc\r\n0\r\nT: u\r\n\r\n"
CANONICAL = b"POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n"


def test_requests_in_a_row_are_read_one_by_one() -> None:
    requests, fault = strict_requests(GET + b"\r\n" + POST + CHUNKED)

    assert fault is None
    assert [each.body for each in requests] == [b"", b"abc", b"abc"]
    assert requests[0].fields == ((b"Host", b"x"), (b"A", b"b"))
    assert (requests[0].method, requests[0].target, requests[0].version) == (b"GET", b"/a?b", b"1.1")


def test_what_was_whole_before_a_fault_is_given() -> None:
    requests, fault = strict_requests(GET + b"nonsense\r\n\r\n")

    assert len(requests) == 1
    assert "no request line" in str(fault)


@given(st.integers(0, len(GET + POST + CHUNKED)))
def test_the_cut_changes_nothing(cut: int) -> None:
    stream = GET + POST + CHUNKED
    reader = StrictReader()

    assert reader.feed(stream[:cut]) + reader.feed(stream[cut:]) == strict_requests(stream)[0]
    assert reader.unfinished == b""


@pytest.mark.parametrize(
    "raw",
    [
        GET.replace(b"\r\n\r\n", b"\n\n"),
        GET.replace(b" HTTP/1.1", b""),
        GET.replace(b"Host: x\r\n", b""),
        GET.replace(b"Host: x", b"Host : x"),
        GET.replace(b"A:", b" A:"),
        GET.replace(b"b \r", b"b\rc \r"),
        GET.replace(b"b \r", b"b\0 \r"),
        POST.replace(b"3", b"+3"),
        POST.replace(b"Content-Length: 3", b"Content-Length: 3\r\nContent-Length: 3"),
        POST.replace(b"Content-Length: 3", b"Content-Length: 3\r\nTransfer-Encoding: chunked"),
        CHUNKED.replace(b"chunked", b"gzip, chunked"),
        CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0"),
        CHUNKED.replace(b"2;", b"0x2;"),
        CHUNKED.replace(b"ab\r\n", b"abc\r\n"),
        CHUNKED.replace(b"T: u", b"T u"),
    ],
)
def test_what_breaks_the_letter_is_a_fault(raw: bytes) -> None:
    requests, fault = strict_requests(raw)

    assert requests == []
    assert fault is not None


def test_the_canonical_form_is_narrower() -> None:
    def faults(raw: bytes) -> bool:
        reader = StrictReader(canonical=True)
        reader.feed(raw)
        return reader.fault is not None

    other_forms = [
        CANONICAL.replace(b"host", b"Host"),
        CANONICAL.replace(b"host: ", b"host:"),
        CANONICAL.replace(b"x\r\n", b"x \r\n", 1),
        CANONICAL.replace(b"\r\na\r\n", b"\r\nA\r\n"),
        CANONICAL.replace(b"\r\na\r\n", b"\r\n0a\r\n"),
        CANONICAL.replace(b"\r\na\r\n", b"\r\na;b\r\n"),
        CANONICAL.replace(b"0\r\n\r\n", b"0\r\na: b\r\n\r\n"),
        CANONICAL.replace(b"host", b"a: b\r\na: c\r\nhost"),
        CANONICAL.replace(b"host", b"connection: close\r\nhost"),
        CANONICAL.replace(b"/a", b"http://x/a"),
        b"\r\n" + CANONICAL,
    ]

    assert not faults(CANONICAL)
    assert [each for each in other_forms if not faults(each)] == []
