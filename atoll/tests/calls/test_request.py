"""What a call's arguments become on the wire, and which of them are refused."""

import math
from collections.abc import AsyncIterator
from typing import Unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.calls import RetryPolicy
from atoll.calls.request import CallOptions, CallRequest, build_request, path
from atoll.observability.tracing import NextHops
from atoll.wire import Model


class Line(Model):
    product_id: str
    quantity: int


def build(
    method: str = "GET",
    target: str = "/",
    body: object = None,
    *,
    authorization: str = "",
    **options: Unpack[CallOptions],
) -> CallRequest:
    return build_request(
        method,
        target,
        body,
        options,
        authorization=authorization,
        deadline=0.0,
        attempt_timeout=1.0,
        retry=RetryPolicy(),
        caller=None,
    )


def head(request: CallRequest) -> list[str]:
    """The lines of the head that the arguments decide."""
    lines = request.head("host:1", math.inf, NextHops()).decode().split("\r\n")
    return [line for line in lines if not line.startswith(("traceparent: ", "Atoll-Caller-Retries: "))]


async def pieces() -> AsyncIterator[bytes]:
    yield b"piece"


def test_a_model_goes_as_json() -> None:
    request = build("POST", "/lines", body=Line(product_id="a", quantity=2))

    assert request.body == b'{"productId":"a","quantity":2}'
    assert head(request) == [
        "POST /lines HTTP/1.1",
        "Host: host:1",
        "Content-Length: 30",
        "Content-Type: application/json",
        "",
        "",
    ]


def test_bytes_go_as_they_are_under_the_type_they_are_given() -> None:
    request = build("PUT", "/file", body=b"a,b\n", headers={"Content-Type": "text/csv"})

    assert request.body == b"a,b\n"
    assert head(request)[2:] == ["Content-Type: text/csv", "Content-Length: 4", "", ""]


def test_a_body_in_pieces_goes_in_chunks() -> None:
    assert "Transfer-Encoding: chunked" in head(build("POST", "/", body=pieces()))


@pytest.mark.parametrize(
    ("method", "told"), [("POST", True), ("PUT", True), ("PATCH", True), ("GET", False), ("DELETE", False)]
)
def test_no_body_is_told_where_one_could_be(method: str, told: bool) -> None:
    assert ("Content-Length: 0" in head(build(method))) == told


def test_query_parameters_are_quoted_and_none_is_left_out() -> None:
    request = build(query={"q": "a b&c", "none": None, "yes": True, "ids": [1, None, 2], "price": 1.5, "ä": "ö"})

    assert request.target == "/?q=a+b%26c&yes=true&ids=1&ids=2&price=1.5&%C3%A4=%C3%B6"


def test_the_credential_is_sent_unless_the_call_brings_its_own() -> None:
    assert "Authorization: Bearer ours" in head(build(authorization="Authorization: Bearer ours\r\n"))
    own = head(build(authorization="Authorization: Bearer ours\r\n", headers={"authorization": "Bearer theirs"}))

    assert [line for line in own if "earer" in line] == ["authorization: Bearer theirs"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_methods_that_may_be_repeated(method: str) -> None:
    assert build(method).repeatable


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_methods_that_may_be_repeated_only_with_a_key(method: str) -> None:
    assert not build(method).repeatable
    assert build(method, idempotency_key="k").repeatable
    assert "Idempotency-Key: k" in head(build(method, idempotency_key="k"))


def test_a_key_may_come_as_a_header_too() -> None:
    assert build("POST", headers={"idempotency-key": "k"}).repeatable


def test_a_body_in_pieces_is_there_only_once() -> None:
    assert not build("PUT", body=pieces()).repeatable


def test_its_repr_holds_no_token() -> None:
    assert "secret" not in repr(build(authorization="Authorization: Bearer secret\r\n", headers={"X": "secret"}))


@pytest.mark.parametrize(
    "target", ["", "orders", "/a b", "/a?b=c", "/a#b", "/a\r\nX: 1", "/\x00", "/ä", "http://other/", "/a\tb"]
)
def test_paths_that_are_none_are_refused(target: str) -> None:
    with pytest.raises(ValueError, match=r"path\(\)"):
        build("GET", target)


@pytest.mark.parametrize("method", ["", "GE T", "GET\r\n", "GÉT"])
def test_methods_that_are_none_are_refused(method: str) -> None:
    with pytest.raises(ValueError, match="asked for"):
        build(method)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X", "a\r\nY: 1"),
        ("X", "a\nb"),
        ("X", "a\x00"),
        ("X", "ä"),
        ("X:", "a"),
        ("X Y", "a"),
        ("", "a"),
        ("Host", "other"),
        ("content-length", "5"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("Upgrade", "h2c"),
        ("traceparent", "00-"),
        ("Atoll-Remaining-Ms", "1"),
    ],
)
def test_headers_that_would_change_the_message_are_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="header"):
        build(headers={name: value})


def test_an_option_that_there_is_none_of_is_refused() -> None:
    with pytest.raises(TypeError, match="a call has no option timeouts"):
        build(timeouts=1.0)  # type: ignore[call-arg]


def test_a_key_with_line_ends_is_refused() -> None:
    with pytest.raises(ValueError, match="Idempotency-Key"):
        build("POST", idempotency_key="a\r\nX: 1")


@given(st.lists(st.text(max_size=20), min_size=1, max_size=4))
def test_any_segments_make_a_path_of_as_many_segments(segments: list[str]) -> None:
    try:
        made = path(*segments)
    except UnicodeEncodeError:
        return  # lone surrogates are no text

    assert made.count("/") == len(segments)
    assert build("GET", made).target == made
    assert not {".", ".."} & set(made.split("/"))


def test_ids_are_quoted() -> None:
    assert path("orders", "a/../b?c#d", 7, "..") == "/orders/a%2F..%2Fb%3Fc%23d/7/%2E%2E"
