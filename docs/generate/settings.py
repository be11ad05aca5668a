"""The tables of settings: those that every service has, and each one's own."""

import inspect
from collections.abc import Iterable, Iterator
from typing import Any, get_args

import msgspec
from docs.generate.markdown import one_line, page, table
from docs.generate.shop import SETTINGS

from atoll.settings import ServiceSettings, SettingField, expectation, fields_of


def settings_tables() -> dict[str, str]:
    """By the name of the part of the guide."""
    common = {field.name for field in fields_of(ServiceSettings)}
    own = {
        f"settings of {service}": _tables([field for field in fields_of(kind) if _is_own(field, common)])
        for service, kind in SETTINGS.items()
    }
    return {"settings of every service": _tables(fields_of(ServiceSettings)), **own}


def _is_own(field: SettingField, common: set[str]) -> bool:
    return field.name not in common or field.name == "port"


def _tables(fields: Iterable[SettingField]) -> str:
    """One table of the settings, and one of the keys of each that is a table itself."""
    rows = [_row(field) for field in fields]
    inner = {kind: field for field in fields for kind in _structs_in(field.type)}
    header = ("in the environment", "in the file", "default", "what it is")
    return page(table(header, rows), *(part for kind, field in inner.items() for part in _keys(kind, field)))


def _row(field: SettingField) -> tuple[str, str, str, str]:
    names = " ".join(f"`{name}`" for name in field.env_names)
    what = field.setting.description
    takes = expectation(field.type)
    if takes != "a text" and not any(_structs_in(field.type)):
        what = f"{what} Takes {takes}."
    return names or "-", _place(field), _default(field.default, secret=field.secret, required=field.required), what


def _place(field: SettingField) -> str:
    section = field.setting.section
    if not section:
        return f"`{field.name}`"
    is_list = expectation(field.type).startswith("a list") and any(_structs_in(field.type))
    return f"`[[{section}]]`" if is_list else f"`[{section}]`"


def _default(value: Any, *, secret: bool = False, required: bool = False) -> str:
    if required:
        return "must be given"
    if secret:
        return "none" if value is None else "one for development"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (int, float)):
        return f"`{value}`"
    if isinstance(value, msgspec.Struct) or not value:
        return "none"
    return f"`{' '.join(value) if isinstance(value, tuple) else value}`"


def _keys(kind: type[msgspec.Struct], field: SettingField) -> Iterator[str]:
    yield f"**{_place(field)}** {one_line(inspect.getdoc(kind) or '')}"
    rows = [
        (f"`{each.name}`", expectation(each.type), _default(each.default, required=each.required))
        for each in fields_of(kind)
    ]
    with_defaults = any(default != "none" for _, _, default in rows)
    columns = 3 if with_defaults else 2
    yield table(("key", "takes", "default")[:columns], [row[:columns] for row in rows])


def _structs_in(annotation: Any) -> Iterator[type[msgspec.Struct]]:
    """The structs that a value of this type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation
    for part in get_args(annotation):
        yield from _structs_in(part)
