"""What a type accepts, in words: for mistakes and for the table of settings."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from atoll.settings.fields import is_union, without_annotation
from atoll.settings.secret import Secret

_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    Secret: "a secret text",
    Path: "a path",
}


def expectation(annotation: Any) -> str:
    """`Annotated[int, Meta(ge=0, le=9)]` is "a whole number from 0 to 9"; a Literal names its values."""
    if get_origin(annotation) is Annotated:
        bare, *extras = get_args(annotation)
        return expectation(bare) + "".join(_range(extra) for extra in extras if isinstance(extra, msgspec.Meta))
    if is_union(annotation):
        return " or ".join(expectation(part) for part in get_args(annotation) if part is not NoneType)
    if get_origin(annotation) is Literal:
        return f"one of {', '.join(map(str, get_args(annotation)))}"
    return _WORDS.get(annotation) or _collection(annotation)


def choices(annotation: Any) -> tuple[str, ...]:
    """The values of a Literal, wherever it is in `annotation`; empty when there is none."""
    bare = without_annotation(annotation)
    if get_origin(bare) is Literal:
        return tuple(map(str, get_args(bare)))
    if is_union(bare):
        return tuple(choice for part in get_args(bare) for choice in choices(part))
    return ()


def is_list(annotation: Any) -> bool:
    """Whether it is a list, tuple or set of something: in the environment, words with commas between."""
    origin = get_origin(without_annotation(annotation))
    return isinstance(origin, type) and issubclass(origin, Collection) and not issubclass(origin, Mapping)


def is_list_of_texts(annotation: Any) -> bool:
    return is_list(annotation) and get_args(without_annotation(annotation))[0] in {str, int, float}


def _collection(annotation: Any) -> str:
    if is_list_of_texts(annotation):
        return "a list, with commas between"
    origin = get_origin(annotation) or annotation
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return "a list"
    return "a table"


def _range(meta: msgspec.Meta) -> str:
    low = meta.ge if meta.ge is not None else meta.gt
    high = meta.le if meta.le is not None else meta.lt
    more = " more than" if meta.gt is not None else ""
    less = " less than" if meta.lt is not None else ""
    if low is not None and high is not None:
        return f" from{more} {low} to{less} {high}"
    if low is not None:
        return f"{more or ' of at least'} {low}"
    if high is not None:
        return f"{less or ' of at most'} {high}"
    return ""
