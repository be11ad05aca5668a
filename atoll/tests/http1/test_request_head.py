"""Heads of requests: what is read of them, however alike they are."""

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.http1.request_head import HeadLimits, HeadReader, RequestHead
from atoll.problems import Problem


def facts(head: RequestHead) -> tuple[object, ...]:
    return (
        head.method,
        head.target,
        head.minor_version,
        dict(head.fields),
        head.host,
        head.content_length,
        head.chunked,
        head.keep_alive,
        head.expects_continue,
    )


def verdict(reader: HeadReader, raw: bytes) -> object:
    try:
        return facts(reader.read(raw))
    except Problem as problem:
        return type(problem)


def test_repeated_fields_are_one_with_all_their_values() -> None:
    head = HeadReader(HeadLimits()).read(
        b"GET / HTTP/1.1\r\nHost: x\r\nAccept: a\r\nCookie: a=1\r\nACCEPT: b\r\nCookie: b=2\r\n\r\n"
    )

    assert head.fields == {b"accept": b"a, b", b"cookie": b"a=1; b=2"}


def test_fields_that_are_the_same_are_read_once() -> None:
    reader = HeadReader(HeadLimits())
    rest = b" HTTP/1.1\r\nHost: x\r\nAccept: a\r\n\r\n"
    first, second = reader.read(b"GET /1" + rest), reader.read(b"DELETE /2" + rest)

    assert second.fields is first.fields
    assert (second.method, second.target, second.host) == (b"DELETE", b"/2", b"x")


LINES = st.lists(
    st.sampled_from(
        [b"Host: x", b"Host: y", b"A: b", b"a: c", b"Connection: close", b"Connection: keep-alive", b"Connection: a",
         b"Content-Length: 3", b"Content-Length: 0", b"Transfer-Encoding: chunked", b"Upgrade: h2c",
         b"Expect: 100-continue", b"A : b", b" folded", b"", b"A: \x00", b"Content-Length: x",
         b"Connection: upgrade"]
    ),
    max_size=5,
)  # fmt: skip
FIRST = st.sampled_from(
    [b"GET / HTTP/1.1", b"GET /2 HTTP/1.1", b"POST / HTTP/1.1", b"GET / HTTP/1.0", b"CONNECT / HTTP/1.1",
     b"CONNECT x:1 HTTP/1.1", b"GET http://x/ HTTP/1.1", b"OPTIONS * HTTP/1.1", b"BREW / HTTP/1.1", b"GET  / HTTP/1.1"]
)  # fmt: skip
HEADS = st.builds(lambda first, lines: b"\r\n".join([first, *(each for each in lines if each), b"", b""]), FIRST, LINES)


@given(st.lists(HEADS, min_size=1, max_size=6))
def test_a_head_is_read_the_same_whatever_came_before_it(heads: list[bytes]) -> None:
    reader = HeadReader(HeadLimits())
    for raw in heads:
        seen = verdict(reader, raw)

        assert seen == verdict(HeadReader(HeadLimits()), raw)
        if isinstance(seen, type):
            return  # the connection closes


@given(HEADS, HEADS, st.sampled_from([b"", b"x", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]))
def test_what_repeats_the_head_before_it_is_read_as_any_other(before: bytes, raw: bytes, more: bytes) -> None:
    reader = HeadReader(HeadLimits())
    if isinstance(verdict(reader, before), type):
        return
    head = reader.read_repeated(raw + more)

    if head is not None:
        assert facts(head) == verdict(HeadReader(HeadLimits()), raw)
        assert not more


@given(HEADS, st.integers(0, 200))
def test_what_is_refused_early_is_refused_whole(raw: bytes, cut: int) -> None:
    reader = HeadReader(HeadLimits(line=40, head=80))
    if reader.early_refusal(raw[:cut], 0) is not None:
        assert isinstance(verdict(reader, raw), type)


@given(HEADS)
def test_whatever_is_accepted_llhttp_accepts(raw: bytes) -> None:
    if isinstance(verdict(HeadReader(HeadLimits()), raw), type):
        return

    class Silent:
        pass

    try:
        httptools.HttpRequestParser(Silent()).feed_data(raw)
    except httptools.HttpParserUpgrade:
        return  # we never do


@pytest.mark.parametrize("method", [b"BREW", b"NONSENSE"])
def test_unknown_methods_are_unknown_after_known_ones_too(method: bytes) -> None:
    reader = HeadReader(HeadLimits())
    rest = b" / HTTP/1.1\r\nHost: x\r\n\r\n"
    reader.read(b"GET" + rest)

    with pytest.raises(Problem) as refused:
        reader.read(method + rest)

    assert refused.value.status == 501
