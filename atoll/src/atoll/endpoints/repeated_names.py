"""No name twice in one object of a body: which of the two should count is anybody's guess (RFC 8259, section 4).

Decoders take the last, and a checker in front of us may have looked at the first. Looking at every name costs more than
decoding does. But every name is followed by a colon: a text that has no more colons than its value must have had names
has none of them twice. Only other texts, with an optional field that says its default or a colon within a string, are
read once more, name by name.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import msgspec.inspect as types

from atoll.problems import BadRequest, FieldMistake, InvalidFields
from atoll.wire import json_pointer

CountNames = Callable[[Any], int]
"""At least so many names are in any text that is decoded to this value."""

RefuseRepeatedNames = Callable[[bytes, Any], None]


def repeated_names_refusal(type_: Any) -> RefuseRepeatedNames:
    """For bodies of that type: gets a text and its value, and raises `InvalidFields` that points at a repeated name."""
    count = _Counters().of(types.type_info(type_))

    def refuse(text: bytes, value: Any) -> None:
        if text.count(b":") > count(value):
            _look_at_every_name(text)

    return refuse


class _Counters:
    """Makes the counters for types; a struct that holds itself has one counter for all its depths."""

    def __init__(self) -> None:
        self._by_struct: dict[type, CountNames] = {}

    def of(self, type_: types.Type) -> CountNames:
        match type_:
            case types.Metadata(type=inner):
                return self.of(inner)
            case types.UnionType(types=members):
                return self._of_union(members)
            case types.StructType():
                return self._of_struct(type_)
            case types.DictType(value_type=inner):
                return _of_dict(self.of(inner))
            case types.CollectionType(item_type=inner):
                return _of_items(self.of(inner))
            case _:
                return _none

    def _of_struct(self, struct: types.StructType) -> CountNames:
        if struct.cls not in self._by_struct:

            def of_one_within(value: Any) -> int:
                return self._by_struct[struct.cls](value)

            self._by_struct[struct.cls] = of_one_within
            self._by_struct[struct.cls] = self._new_of_struct(struct)
        return self._by_struct[struct.cls]

    def _new_of_struct(self, struct: types.StructType) -> CountNames:
        required = 0 if struct.array_like else sum(field.required for field in struct.fields)
        optional = [] if struct.array_like else [_given(field) for field in struct.fields if not field.required]
        inner = [(field.name, self.of(field.type)) for field in struct.fields]
        within = [(name, count) for name, count in inner if count is not _none]

        def count_names(value: Any) -> int:
            names = required
            for given in optional:
                names += given(value)
            for name, count in within:
                names += count(getattr(value, name))
            return names

        if not optional and not within:
            return _Always(required)
        return count_names

    def _of_union(self, members: Sequence[types.Type]) -> CountNames:
        counters = {_class_of(member): count for member in members if (count := self.of(member)) is not _none}
        if not counters:
            return _none

        def count_names(value: Any) -> int:
            return counters.get(type(value), _none)(value)

        return count_names


def _class_of(type_: types.Type) -> type | None:
    """What values of a type are instances of; None where that is not worth knowing."""
    match type_:
        case types.Metadata(type=inner):
            return _class_of(inner)
        case types.StructType(cls=cls):
            return cls
        case types.ListType():
            return list
        case types.VarTupleType():
            return tuple
        case types.DictType():
            return dict
        case _:
            return None


class _Always:
    """A struct that has all its names in every text."""

    __slots__ = ("names",)

    def __init__(self, names: int) -> None:
        self.names = names

    def __call__(self, value: Any) -> int:
        return self.names


def _none(_: Any) -> int:
    return 0


def _given(field: types.Field) -> CountNames:
    """Whether an optional field must have been in the text; one that has its default may not have been."""
    name, default = field.name, field.default
    if field.default_factory is not msgspec.NODEFAULT:
        return _none
    if default is msgspec.NODEFAULT:
        return lambda value: getattr(value, name) is not msgspec.UNSET
    return lambda value: getattr(value, name) != default


def _of_items(count: CountNames) -> CountNames:
    if count is _none:
        return _none
    if isinstance(count, _Always):
        each = count.names
        return lambda items: len(items) * each
    return lambda items: sum(map(count, items))


def _of_dict(count: CountNames) -> CountNames:
    if count is _none:
        return len
    return lambda values: len(values) + sum(map(count, values.values()))


class _RepeatedName(ValueError):
    """There is one."""


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise _RepeatedName


_look = json.JSONDecoder(object_pairs_hook=_refuse_repeated, parse_int=str, parse_float=str).decode


class _Pairs(list[tuple[str, Any]]):
    """An object with all its names, in order."""


_read_pairs = json.JSONDecoder(object_pairs_hook=_Pairs, parse_int=str, parse_float=str).decode


def _look_at_every_name(text: bytes) -> None:
    try:
        _look(text.decode())
    except RecursionError as error:
        raise BadRequest("The body is not JSON: it is nested too deeply.") from error
    except _RepeatedName as error:
        pointer = next(_repeated_in(_read_pairs(text.decode()), ()))
        detail = "This name is there twice in one object; say it once."
        raise InvalidFields(
            f"The request has a mistake at {pointer}: {detail}", errors=[FieldMistake(pointer, detail)]
        ) from error


def _repeated_in(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Pointers to the names that are there twice, from the outside in."""
    if isinstance(value, _Pairs):
        members: Iterable[tuple[str, Any]] = value
        times = Counter(name for name, _ in value)
        yield from (json_pointer((*path, name)) for name in times if times[name] > 1)
    else:
        members = ((str(index), item) for index, item in enumerate(value))
    for name, item in members:
        if isinstance(item, list):
            yield from _repeated_in(item, (*path, name))
