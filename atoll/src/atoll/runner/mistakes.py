"""Finding every mistake in a file before saying anything, and guessing what was meant."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_type_hints

import msgspec

T = TypeVar("T", bound=msgspec.Struct)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` Did you mean "users"?` when something similar is known, else nothing."""
    similar = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f' Did you mean "{similar[0]}"?' if similar else ""


def read_table(table: Mapping[str, Any], into: type[T], where: str, mistakes: list[str]) -> T:
    """Read one TOML table; add a sentence to `mistakes` for each key that is unknown, missing or of a wrong type.

    A field that is wrong keeps its default (or is absent), so that reading can go on and find the rest: use
    the result only when there are no mistakes.
    """
    types = get_type_hints(into, include_extras=True)
    mistakes += [f"{where} has no {key!r}.{did_you_mean(key, types)}" for key in table if key not in types]
    values = {}
    for field in msgspec.structs.fields(into):
        if field.name in table:
            try:
                values[field.name] = msgspec.convert(table[field.name], types[field.name])
            except msgspec.ValidationError as error:
                mistakes.append(f"{where} {field.name}: {_lower_first(str(error))}.")
        elif field.required:
            mistakes.append(f"{where} needs {field.name!r}.")
    return into(**{**_placeholders(into), **values})


def _placeholders(into: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.name: None for field in msgspec.structs.fields(into) if field.required}


def _lower_first(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
