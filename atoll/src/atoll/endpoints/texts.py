"""Values written as text: the parameters of a query, headers, segments of a path.

Text has no types of its own, so the type that is asked for decides how a text is read, and nothing is
guessed: numbers and truths are written as JSON writes them, and `null`, `nan`, `1_000` or ` 1` are no
numbers.
"""

import enum
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl

import msgspec
import msgspec.inspect as types

from atoll import wire
from atoll.endpoints.null_character import refuse_null_in_query
from atoll.problems import InvalidFields

T = TypeVar("T")

ReadText = Callable[[str], Any]
"""Turns a text into what JSON would have had in its place; leaves it a text when it cannot be that."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<fraction>\.[0-9]+)?(?P<exponent>[eE][+-]?[0-9]+)?", re.ASCII)
_TRUTHS = {"true": True, "false": False}
_MAX_QUERY_PARAMETERS = 100


def is_text_type(type_: object) -> bool:
    """Whether a value of this type can be written as one text: scalars, enums, literals, and optional ones."""
    try:
        return _is_text(types.type_info(type_))
    except TypeError:
        return False


class TextValue(Generic[T]):
    """Reads one text as `T`."""

    def __init__(self, type_: Any, name: str) -> None:
        self._holder = msgspec.defstruct("Holder", [("value", type_)])  # what msgspec knows of a struct it keeps
        self._name = name
        self._read = reader_of(types.type_info(type_))

    def read(self, text: str) -> T:
        """The value; raises `InvalidFields` that points at the name."""
        try:
            held: Any = msgspec.convert({"value": self._read(text)}, self._holder, dec_hook=wire.read_scalar)
        except (msgspec.ValidationError, ValueError) as error:
            sentence = str(error).removesuffix(" - at `$.value`")
            raise InvalidFields.at(self._name, f"{self._name}: {sentence}.") from error
        value: T = held.value
        return value


class QueryString(Generic[T]):
    """Reads the query of a request as the struct `T`."""

    def __init__(self, type_: type[T]) -> None:
        info = types.type_info(type_)
        if not isinstance(info, types.StructType):
            raise TypeError("Query() needs a struct whose fields are the parameters")
        for field in info.fields:
            if not _is_text(_item_type(field.type) if _is_list(field.type) else field.type):
                raise TypeError(f"the field {field.name} of Query() must be a scalar, or a list of scalars")
        self._type = type_
        self._singles = {f.encode_name: reader_of(f.type) for f in info.fields if not _is_list(f.type)}
        self._lists = {f.encode_name: reader_of(_item_type(f.type)) for f in info.fields if _is_list(f.type)}
        self._choices = {f.encode_name: choices for f in info.fields if (choices := _choices_of(f.type))}
        self._takes_others = not info.forbid_unknown_fields

    def read(self, query: bytes) -> T:
        """The parameters; raises `InvalidFields` that points at the first wrong, repeated or unknown one."""
        try:
            return msgspec.convert(self._values(query), self._type, dec_hook=wire.read_scalar)
        except msgspec.ValidationError as error:
            raise self._by_name(error) from error

    def _values(self, query: bytes) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, text in split_query(query):
            if name in self._lists:
                values.setdefault(name, []).append(_read_named(name, self._lists[name], text))
            elif name in values:
                raise InvalidFields.at(name, f"The query parameter {name} is given more than once.")
            elif name not in self._singles and not self._takes_others:
                known = ", ".join([*self._singles, *self._lists])
                raise InvalidFields.at(name, f"There is no query parameter {name} here; there are {known}.")
            else:
                values[name] = _read_named(name, self._singles.get(name, str), text)
        return values

    def _by_name(self, error: msgspec.ValidationError) -> InvalidFields:
        """The mistake with the parameter's name in place of a pointer."""
        mistake = wire.invalid_fields(error).errors[0]
        name = mistake.pointer.removeprefix("/").partition("/")[0]
        if choices := self._choices.get(name):
            return InvalidFields.at(name, f"The query parameter {name} is one of {choices}.")
        return InvalidFields.at(name, f"The query parameter {name} is wrong: {mistake.detail}")


def split_query(query: bytes) -> Sequence[tuple[str, str]]:
    """The names and values of a query string, in order; `InvalidFields` for one that is no UTF-8 or too long."""
    if not query:
        return ()
    refuse_null_in_query(query)
    try:
        return parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_QUERY_PARAMETERS,
        )
    except UnicodeError as error:
        raise InvalidFields.at("", "The query is not percent-encoded UTF-8.") from error
    except ValueError as error:
        raise InvalidFields.at("", f"The query has more than {_MAX_QUERY_PARAMETERS} parameters.") from error


def reader_of(type_: types.Type) -> ReadText:
    """How a text is read where `type_` is wanted."""
    kinds = _kinds(type_)
    if any(_takes_text(kind) for kind in kinds):
        return str
    readers: list[ReadText] = [_reads(kind) for kind in kinds]
    return _first_that_reads(readers)


def _first_that_reads(readers: Sequence[ReadText]) -> ReadText:
    if len(readers) == 1:
        return readers[0]

    def read(text: str) -> Any:
        return next((value for reader in readers if not isinstance(value := reader(text), str)), text)

    return read


def _read_named(name: str, read: ReadText, text: str) -> Any:
    try:
        return read(text)
    except ValueError as error:
        raise InvalidFields.at(name, f"The query parameter {name} is wrong: {error}.") from error


_SCALARS = (
    types.StrType,
    types.IntType,
    types.FloatType,
    types.BoolType,
    types.UUIDType,
    types.DateTimeType,
    types.DateType,
    types.TimeType,
    types.TimeDeltaType,
    types.DecimalType,
    types.EnumType,
    types.LiteralType,
)
_LISTS = (types.ListType, types.SetType, types.FrozenSetType, types.VarTupleType)


def _is_text(type_: types.Type) -> bool:
    kinds = _kinds(type_)
    return bool(kinds) and all(_is_scalar(kind) for kind in kinds)


def _is_scalar(kind: types.Type) -> bool:
    return wire.is_scalar(kind.cls) if isinstance(kind, types.CustomType) else isinstance(kind, _SCALARS)


def _bare(type_: types.Type) -> types.Type:
    return _bare(type_.type) if isinstance(type_, types.Metadata) else type_


def _kinds(type_: types.Type) -> list[types.Type]:
    """The types of a union, without None: a text is never None, it is absent."""
    bare = _bare(type_)
    members: Iterable[types.Type] = bare.types if isinstance(bare, types.UnionType) else (bare,)
    return [_bare(member) for member in members if not isinstance(_bare(member), types.NoneType)]


def _is_list(type_: types.Type) -> bool:
    return any(isinstance(kind, _LISTS) for kind in _kinds(type_))


def _item_type(type_: types.Type) -> types.Type:
    return next(kind.item_type for kind in _kinds(type_) if isinstance(kind, _LISTS))


def _values_of(kind: types.Type) -> Sequence[Any]:
    match kind:
        case types.LiteralType(values=values):
            return values
        case types.EnumType(cls=cls) if issubclass(cls, enum.Enum):
            return [member.value for member in cls]
        case _:
            return ()


def _choices_of(type_: types.Type) -> str:
    """The values of a parameter that takes these and no others; empty for any other parameter."""
    kinds = _kinds(type_)
    if not all(isinstance(kind, types.LiteralType | types.EnumType) for kind in kinds):
        return ""
    return ", ".join(str(value) for kind in kinds for value in _values_of(kind))


def _takes_text(kind: types.Type) -> bool:
    match kind:
        case types.IntType() | types.FloatType() | types.BoolType() | types.DecimalType():
            return False
        case types.LiteralType() | types.EnumType():
            return any(isinstance(value, str) for value in _values_of(kind))
        case types.CustomType(cls=cls):
            return cls.wire_schema.get("type") not in ("number", "integer", "boolean")  # type: ignore[attr-defined] # a wire.Scalar
        case _:
            return True


def _reads(kind: types.Type) -> ReadText:
    match kind:
        case types.BoolType():
            return _truth
        case types.FloatType():
            return _float
        case types.CustomType() | types.DecimalType():
            return _exact
        case _:
            return _integer


def _truth(text: str) -> bool | str:
    return _TRUTHS.get(text, text)


def _integer(text: str) -> int | str:
    written = _NUMBER.fullmatch(text)
    if written is None or written["fraction"] or written["exponent"]:
        return text
    return int(wire.exact_number(text))


def _float(text: str) -> float | str:
    if not _NUMBER.fullmatch(text):
        return text
    number = float(text)
    if math.isinf(number):
        raise ValueError("Number out of range")
    return number


def _exact(text: str) -> int | Decimal:
    """Raises ValueError for what is no number: left a text, `nan` would become a Decimal."""
    written = _NUMBER.fullmatch(text)
    if written is None:
        raise ValueError(f"Expected a number, got {text[:40]!r}")
    number = wire.exact_number(text)
    return number if written["fraction"] or written["exponent"] else int(number)


def text_struct(name: str, fields: Mapping[str, tuple[Any, Any]]) -> type[msgspec.Struct]:
    """A struct for loose parameters: wire name → (type, default or `msgspec.NODEFAULT`)."""
    return msgspec.defstruct(
        name,
        [(field, type_, msgspec.field(default=default)) for field, (type_, default) in fields.items()],
        kw_only=True,
        frozen=True,
        forbid_unknown_fields=True,
    )
