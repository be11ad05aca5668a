"""Fields and bodies as bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.http1.messages import LAST_CHUNK, chunk, find, is_field_value, is_target, is_token


def test_a_field_is_found_without_regard_to_case_and_without_the_space_around_it() -> None:
    fields = [(b"X-Other", b"0"), (b"X-ONE", b" \t1 "), (b"x-one", b"2")]

    assert find(fields, b"x-one") == b"1"
    assert find(fields, b"x-two") is None


def test_an_empty_chunk_is_none_because_it_would_end_the_body() -> None:
    assert chunk(b"") == b""
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert LAST_CHUNK == b"0\r\n\r\n"


@pytest.mark.parametrize("name", [b"GET", b"x-one", b"M-SEARCH", b"!#$%&'*+.^_`|~"])
def test_tokens(name: bytes) -> None:
    assert is_token(name)


@given(st.binary(max_size=5), st.sampled_from(b'\x00\t\n\r "(),/:;<=>?@[\\]{}\x7f\x80\xff'), st.binary(max_size=5))
def test_what_holds_a_separator_is_no_token(before: bytes, separator: int, after: bytes) -> None:
    assert not is_token(before + bytes([separator]) + after)
    assert not is_token(b"")


@given(st.binary(max_size=5), st.sampled_from(b"\x00\n\r\x1f\x7f"), st.binary(max_size=5))
def test_no_control_byte_comes_into_a_field(before: bytes, control: int, after: bytes) -> None:
    assert not is_field_value(before + bytes([control]) + after)
    assert is_field_value(b"")
    assert is_field_value(b'a b\t"\xe4"')


@pytest.mark.parametrize("target", [b"/", b"/a/b?c=d&e=%20", b"/a;b=c,d!'()*@:~_-."])
def test_targets(target: bytes) -> None:
    assert is_target(target)


@pytest.mark.parametrize(
    "target", [b"", b"*", b"a", b"http://a/", b"/a b", b"/a#b", b"/a\r\nX: 1", b"/\xc3\xa4", b"/\x7f"]
)
def test_what_is_no_target(target: bytes) -> None:
    assert not is_target(target)
