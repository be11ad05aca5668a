"""Cursors come back as they were written, and nothing else is taken for one."""

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


@given(st.builds(Place, st.integers(0, 2**53), st.text()))
def test_a_position_comes_back(place: Place) -> None:
    assert place == CURSORS.read(CURSORS.write(place))


@given(st.builds(Place, st.integers(0, 2**53), st.text()))
def test_a_cursor_needs_no_escaping_in_a_query(place: Place) -> None:
    cursor = CURSORS.write(place)

    assert cursor.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("cursor", ["", "x", "!", "é", "WzFd", "eyJhIjoxfQ", "WyJhIiwgImIiXQ", "_____w"])
def test_anything_else_is_a_mistake(cursor: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        CURSORS.read(cursor)

    assert refused.value.errors[0].pointer == "cursor"
