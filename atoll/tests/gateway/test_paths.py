"""One canonical path for each request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.gateway.paths import below_prefix, canonical
from atoll.problems import BadRequest


@pytest.mark.parametrize(
    ("given_path", "expected"),
    [
        (b"/", b"/"),
        (b"/a/b", b"/a/b"),
        (b"/a/", b"/a/"),
        (b"/a.b/.c/..d", b"/a.b/.c/..d"),
        (b"/%61%2D%7e", b"/a-~"),
        (b"/%c3%a4", b"/%C3%A4"),
        (b"/a%20b", b"/a%20b"),
        (b"/a%252e", b"/a%252e"),
        (b"/a;b=c,d", b"/a;b=c,d"),
    ],
)
def test_two_ways_of_writing_a_path_become_one(given_path: bytes, expected: bytes) -> None:
    assert expected == canonical(given_path)


@pytest.mark.parametrize(
    "path",
    [
        b"//", b"/a//b", b"/.", b"/..", b"/a/../b", b"/a/./b", b"/a/%2e%2e/b", b"/a/.%2E/b", b"/a/..;x/b", b"/a/.;/b",
        b"/a%2fb", b"/a%2Fb", b"/a%5cb", b"/a\\b", b"/a%00b", b"/a%0d%0ab", b"/a%7f", b"/a%", b"/a%4", b"/a%zz",
        b'/a"b', b"/a<b>", b"/a{b}", b"/a|b", b"/a^b", b"/a`b", b"/a[b]",
    ],
)  # fmt: skip
def test_a_path_that_others_might_read_differently_is_refused(path: bytes) -> None:
    with pytest.raises(BadRequest):
        canonical(path)


@given(st.text(alphabet="ab./%2eE5cfF0;", max_size=12))
def test_a_canonical_path_is_its_own_and_never_climbs(text: str) -> None:
    path = b"/" + text.encode()
    try:
        result = canonical(path)
    except BadRequest:
        return

    assert canonical(result) == result
    assert not {b".", b".."} & set(result.split(b"/"))
    assert b"//" not in result


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/api/a", b"/a"),
        (b"/api/v1/a/b", b"/a/b"),
        (b"/api/v2/a", b"/v2/a"),
        (b"/api/v1", b"/v1"),
        (b"/api/api/a", b"/api/a"),
        (b"/api/", b"/"),
        (b"/api", None),
        (b"/apix/a", None),
        (b"/a", None),
        (b"/", None),
    ],
)
def test_api_and_its_version_are_taken_off(path: bytes, expected: bytes | None) -> None:
    assert expected == below_prefix(path)
