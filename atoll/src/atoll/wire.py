"""JSON on the wire: models, decoders built once for each type, and mistakes told by JSON pointer.

Values of a type of one's own travel as JSON scalars when the type follows the `Scalar` protocol. Numbers
reach such a type exactly: an `int`, or a `Decimal` for whatever is written with a point or an exponent.
"""

import inspect
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar, dataclass_transform

import msgspec

from atoll.problems import BadRequest, FieldMistake, InvalidFields

T = TypeVar("T")

MEDIA_TYPE = "application/json"

MAX_NUMBER_MAGNITUDE = 40
"""Numbers for scalars have at most this many digits before the point, and as many after it.

More than any quantity needs, and few enough that no conversion of a hostile `1e999999` costs anything.
"""


class _KeywordOnly(msgspec.StructMeta):
    """Fields are given by name, in subclasses as well: msgspec itself asks each class anew."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **config: Any) -> "_KeywordOnly":
        config.setdefault("kw_only", True)
        return super().__new__(mcls, name, bases, namespace, **config)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(msgspec.field,))
class Model(msgspec.Struct, metaclass=_KeywordOnly, frozen=True, rename="camel"):
    """What we answer, and what we read from other services: fields we do not know are passed over.

    Immutable, built by keyword, `total_amount` here and `totalAmount` on the wire.
    """


class StrictModel(Model, forbid_unknown_fields=True):
    """What a client sends us: a field we do not know is a mistake of theirs, and they are told."""


class Scalar(Protocol):
    """A type of one's own that travels as a JSON scalar, such as an amount of money."""

    wire_schema: ClassVar[dict[str, Any]]
    """The JSON schema of the value on the wire, such as `{"type": "number"}`."""

    @classmethod
    def from_wire(cls, value: object) -> Self:
        """The value that was read; ValueError is a sentence for the client about a value that is wrong."""

    def to_wire(self) -> object:
        """What is written: a string, an int, a float, a bool or a Decimal (written as a JSON number)."""


class Decoder(Generic[T]):
    """Reads JSON into `T`. Build it once with `decoder`; it may be used from everywhere."""

    __slots__ = ("_decode",)

    def __init__(self, type_: type[T]) -> None:
        try:
            self._decode: Callable[[bytes], T] = msgspec.json.Decoder(
                type_, dec_hook=read_scalar, float_hook=exact_number
            ).decode
        except (TypeError, ValueError) as error:
            raise TypeError(f"{type_!r} cannot be read from JSON: {error}") from error

    def decode(self, data: bytes) -> T:
        """The value; `BadRequest` for what is not JSON, `InvalidFields` for JSON of another shape."""
        try:
            return self._decode(data)
        except msgspec.ValidationError as error:
            _refuse_broken_json(data)
            raise invalid_fields(error) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _not_json(error) from error


def decoder(type_: type[T]) -> Decoder[T]:
    """The decoder for a type, the same one each time; TypeError for a type that JSON cannot carry."""
    return _decoders(type_)


_decoders: Callable[[Any], Decoder[Any]] = cache(Decoder)


def _write_scalar(value: Any) -> Any:
    try:
        write = value.to_wire
    except AttributeError:
        raise TypeError(f"{type(value).__qualname__} cannot be written as JSON; give it to_wire()") from None
    return write()


_encoder = msgspec.json.Encoder(enc_hook=_write_scalar, decimal_format="number")

encode: Callable[[object], bytes] = _encoder.encode
"""The JSON of a value, in UTF-8: aware moments in RFC 3339, a Decimal as a number, `Raw` as it is."""

Raw = msgspec.Raw
"""JSON that is ready, such as a stored answer: `encode` writes the bytes as they are."""


def exact_number(text: str) -> Decimal:
    """The number that `text` writes, digit by digit; ValueError when it is none, or of absurd size."""
    try:
        number = Decimal(text)
    except ArithmeticError:
        raise ValueError(f"Expected a number, got {text[:40]!r}") from None
    if not number.is_finite() or not (_is_short(text) or _is_sensible(number)):
        raise ValueError("Number out of range")
    return number


def _is_short(text: str) -> bool:
    """Nearly every number: too few digits, and no exponent, to be absurd; counting them all would cost more."""
    return len(text) <= MAX_NUMBER_MAGNITUDE and "e" not in text and "E" not in text


def _is_sensible(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)  # noqa: S101 - finite numbers have one
    return number.adjusted() < MAX_NUMBER_MAGNITUDE and exponent >= -MAX_NUMBER_MAGNITUDE


def is_scalar(type_: object) -> bool:
    """Whether `type_` follows the `Scalar` protocol."""
    return isinstance(type_, type) and hasattr(type_, "from_wire")


def read_scalar(type_: Any, value: Any) -> Any:
    """The scalar of `type_` that `value` stands for: msgspec's `dec_hook`."""
    if not is_scalar(type_):
        raise TypeError(f"{type_!r} cannot be read from JSON; give it from_wire()")
    if isinstance(value, int) and not isinstance(value, bool):
        _refuse_absurd_size(value)
    return type_.from_wire(value)


def _refuse_absurd_size(value: int) -> None:
    if abs(value) >= 10**MAX_NUMBER_MAGNITUDE:
        raise ValueError("Number out of range")


_POSITION = re.compile(r"(?s)(?P<sentence>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>.*)`)?")
_FIELD_AT_FAULT = re.compile(r"(?s)Object (?:missing required|contains unknown) field `(?P<field>.*)`")
_STEP = re.compile(r"(?s)\.(?P<field>[^.\[]+)|\[(?P<index>[0-9]+)\]|\[\.\.\.\]")


def invalid_fields(error: msgspec.ValidationError) -> InvalidFields:
    """What msgspec found, as the problem that tells the client where and what."""
    mistake = _mistake_in(str(error))
    where = f" at {mistake.pointer}" if mistake.pointer else ""
    return InvalidFields(f"The request has a mistake{where}: {mistake.detail}", errors=[mistake])


def _mistake_in(message: str) -> FieldMistake:
    found = _POSITION.fullmatch(message)
    assert found is not None  # noqa: S101 - the pattern matches anything
    sentence = found["sentence"]
    steps = _steps(found["path"] or "")
    fault = _FIELD_AT_FAULT.fullmatch(sentence)
    if fault:
        steps.append(fault["field"])
    return FieldMistake(json_pointer(steps), sentence.rstrip(".") + ".")


def _steps(path: str) -> list[str]:
    """`.items[0].quantity` is items, 0, quantity; stops where msgspec does not name the key of a mapping."""
    steps: list[str] = []
    for step in _STEP.finditer(path):
        if step[0] == "[...]":
            break
        steps.append(step["field"] or step["index"])
    return steps


def json_pointer(steps: Iterable[str]) -> str:
    """The RFC 6901 pointer through `steps`, from the outside in; "" is the whole document."""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


_anything = msgspec.json.Decoder(float_hook=str)


def _refuse_broken_json(data: bytes) -> None:
    """msgspec stops at the first wrong field; what follows may not even be JSON, the graver mistake."""
    try:
        _anything.decode(data)
    except msgspec.ValidationError:
        return
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(error) from error


def _not_json(error: Exception) -> BadRequest:
    return BadRequest(f"The body is not JSON: {_reason(error)}.")


def _reason(error: Exception) -> str:
    match error:
        case RecursionError():
            return "it is nested too deeply"
        case UnicodeDecodeError():
            return "it is not UTF-8"
        case _:
            return str(error).removeprefix("JSON is malformed: ").lower().replace("input data was", "it is")


def schemas(types: Iterable[Any], ref_template: str) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    """The JSON schema of each type, and of every named type within them, referred to by `ref_template`.

    Raises TypeError for a type without one. A scalar of one's own that is the default of a field must be given by
    `msgspec.field(default_factory=…)`, which leaves it out of the schema.
    """
    found, named = msgspec.json.schema_components(types, schema_hook=_schema_of_scalar, ref_template=ref_template)
    for schema in named.values():
        if "description" in schema:  # a docstring; only from Python 3.13 on it is not indented as in the source
            schema["description"] = inspect.cleandoc(schema["description"])
    return found, named


def _schema_of_scalar(type_: type) -> dict[str, Any]:
    if not is_scalar(type_):
        raise TypeError(f"{type_!r} has no JSON schema; give it wire_schema")
    schema: dict[str, Any] = getattr(type_, "wire_schema")  # noqa: B009 - mypy knows no such attribute
    return dict(schema)
