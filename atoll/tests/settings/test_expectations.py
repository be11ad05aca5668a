"""What a type accepts, in words."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from atoll.settings import Port, Secret
from atoll.settings.expectations import expectation


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        (int, "a whole number"),
        (float, "a number"),
        (bool, "true or false"),
        (str, "a text"),
        (Secret, "a secret text"),
        (Path, "a path"),
        (Port, "a whole number from 0 to 65535"),
        (Annotated[int, Meta(ge=1)], "a whole number of at least 1"),
        (Annotated[int, Meta(gt=0)], "a whole number more than 0"),
        (Annotated[int, Meta(le=9)], "a whole number of at most 9"),
        (Annotated[int, Meta(lt=10)], "a whole number less than 10"),
        (Annotated[float, Meta(gt=0, le=1)], "a number more than 0 and of at most 1"),
        (Annotated[float, Meta(ge=0, lt=1)], "a number of at least 0 and less than 1"),
        (Annotated[float, Meta(gt=0, lt=1)], "a number more than 0 and less than 1"),
        (str | None, "a text"),
        (int | None, "a whole number"),
        (Port | None, "a whole number from 0 to 65535"),
        (int | str, "a whole number or a text"),
        (Literal["a", "b"], "one of a, b"),
        (Literal["a", "b"] | None, "one of a, b"),
        (list[str], "a list of texts"),
        (tuple[int, ...], "a list of whole numbers"),
        (frozenset[float], "a list of numbers"),
        (list[dict[str, int]], "a list"),
        (dict[str, int], "a table"),
    ],
)
def test_is_said_as_one_would(type_: Any, words: str) -> None:
    assert words == expectation(type_)
