"""Cursors come back as they were written, and nothing else is taken for one."""

import base64
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.paging import Cursors
from atoll.problems import InvalidFields


class Place(NamedTuple):
    created_at: int
    id: str


CURSORS = Cursors(Place)

PLACES = st.builds(
    Place, st.integers(-(2**63), 2**63 - 1), st.text(st.characters(exclude_characters="\0", codec="utf-8"))
)


@given(PLACES)
def test_a_position_comes_back(place: Place) -> None:
    assert place == CURSORS.read(CURSORS.write(place))


@given(PLACES)
def test_a_cursor_needs_no_escaping_in_a_query(place: Place) -> None:
    cursor = CURSORS.write(place)

    assert cursor.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("cursor", ["", "x", "!", "é", "WzFd", "eyJhIjoxfQ", "WyJhIiwgImIiXQ", "_____w"])
def test_anything_else_is_a_mistake(cursor: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        CURSORS.read(cursor)

    assert refused.value.errors[0].pointer == "cursor"


@pytest.mark.parametrize("position", [f"[{2**63},1]", f"[{-(2**63) - 1},1]", '[1,"a\\u0000b"]'])
def test_what_no_database_could_be_asked_about_is_a_mistake(position: str) -> None:
    class Anything(NamedTuple):
        created_at: int
        rest: int | str

    with pytest.raises(InvalidFields):
        Cursors(Anything).read(base64.urlsafe_b64encode(position.encode()).decode().rstrip("="))
