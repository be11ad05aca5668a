"""What a type accepts, in words: for mistakes and for the table of settings."""

from collections.abc import Collection, Mapping
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
_PLURALS: dict[Any, str] = {int: "whole numbers", float: "numbers", str: "texts", Path: "paths"}


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


def _collection(annotation: Any) -> str:
    if not is_list(annotation):
        return "a table"
    word = _PLURALS.get(without_annotation(get_args(annotation)[0]))
    return f"a list of {word}" if word else "a list"


def _range(meta: msgspec.Meta) -> str:
    """The limits of a number, as they follow its name."""
    if meta.ge is not None and meta.le is not None:
        return f" from {meta.ge} to {meta.le}"
    limits = {"of at least": meta.ge, "more than": meta.gt, "of at most": meta.le, "less than": meta.lt}
    said = [f" {words} {limit}" for words, limit in limits.items() if limit is not None]
    return " and".join(said)
