from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll import wire
from atoll.problems import BadRequest, FieldMistake, InvalidFields, Problem
from atoll.wire import Model, StrictModel, decoder, encode, exact_number, json_pointer


class Cents:
    """A scalar of one's own, as the tests need it: hundredths, a JSON number outside."""

    wire_schema: ClassVar[dict[str, Any]] = {"type": "number", "multipleOf": 0.01}

    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cents) and other.cents == self.cents

    def __hash__(self) -> int:
        return hash(self.cents)

    @classmethod
    def from_wire(cls, value: object) -> Self:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise ValueError("Expected an amount")  # noqa: TRY004 - the protocol's error
        cents = value * 100
        if cents != int(cents):
            raise ValueError("Expected at most two decimals")
        return cls(int(cents))

    def to_wire(self) -> object:
        return Decimal(self.cents).scaleb(-2)


class Line(StrictModel):
    product_id: str
    quantity: Annotated[int, msgspec.Meta(ge=1, le=100)]
    price: Cents | None = None


class Order(StrictModel):
    items: Annotated[list[Line], msgspec.Meta(min_length=1)]
    note: str = ""
    labels: dict[str, int] = msgspec.field(default_factory=dict)
    weight: float = 0.0


class Loose(Model):
    name: str
    made_at: datetime | None = None
    anything: Any = None


def refusal(type_: Any, body: bytes) -> Problem:
    with pytest.raises(Problem) as caught:
        decoder(type_).decode(body)
    return caught.value


def test_fields_are_in_camel_case_on_the_wire() -> None:
    assert b'{"productId":"a","quantity":2,"price":null}' == encode(Line(product_id="a", quantity=2))


def test_subclasses_of_models_take_their_fields_by_name_as_well() -> None:
    class Longer(Loose):
        extra: str

    with pytest.raises(TypeError):
        Longer("a", "b")  # type: ignore[call-arg, arg-type] # what is tested

    assert "b" == Longer(name="a", extra="b").extra


def test_models_cannot_be_changed() -> None:
    line = Line(product_id="a", quantity=2)

    with pytest.raises(AttributeError):
        line.quantity = 3  # type: ignore[misc] # what is tested


def test_unknown_fields_are_passed_over_by_a_model_and_refused_by_a_strict_one() -> None:
    read = decoder(Loose).decode(b'{"name":"a","later":"addition"}')
    problem = refusal(Line, b'{"productId":"a","quantity":1,"colour":"red"}')

    assert "a" == read.name
    assert (FieldMistake("/colour", "Object contains unknown field `colour`."),) == problem.errors


def test_a_type_has_one_decoder() -> None:
    assert decoder(Line) is decoder(Line)


def test_a_type_that_json_cannot_carry_is_refused_when_the_decoder_is_built() -> None:
    with pytest.raises(TypeError, match=r"cannot be read from JSON"):
        decoder(Line | Order)  # type: ignore[arg-type] # a union that nothing tells apart


def test_aware_moments_are_written_in_rfc_3339() -> None:
    moment = datetime(2026, 11, 22, 6, 30, 51, 347000, UTC)

    assert b'{"name":"","madeAt":"2026-11-22T06:30:51.347000Z","anything":null}' == encode(
        Loose(name="", made_at=moment)
    )


def test_moments_with_an_offset_are_the_same_moments() -> None:
    read = decoder(Loose).decode(b'{"name":"","madeAt":"2026-11-22T07:30:00+01:00"}')

    assert datetime(2026, 11, 22, 7, 30, tzinfo=timezone(timedelta(hours=1))) == read.made_at


def test_a_stored_answer_is_written_byte_for_byte() -> None:
    stored = b'{"id" : 1.50}'

    assert stored == encode(wire.Raw(stored))


def test_what_cannot_be_written_is_a_clear_mistake() -> None:
    with pytest.raises(TypeError, match=r"object cannot be written as JSON; give it to_wire\(\)"):
        encode(object())


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        (b"[]", "", "Expected `object`, got `array`."),
        (b"{}", "/items", "Object missing required field `items`."),
        (b'{"items":[]}', "/items", "Expected `array` of length >= 1."),
        (b'{"items":{}}', "/items", "Expected `array`, got `object`."),
        (b'{"items":[{"productId":"a"}]}', "/items/0/quantity", "Object missing required field `quantity`."),
        (b'{"items":[{"productId":"a","quantity":"2"}]}', "/items/0/quantity", "Expected `int`, got `str`."),
        (b'{"items":[{"productId":"a","quantity":2.5}]}', "/items/0/quantity", "Expected `int`, got `float`."),
        (b'{"items":[{"productId":"a","quantity":0}]}', "/items/0/quantity", "Expected `int` >= 1."),
        (b'{"items":[{"productId":"a","quantity":101}]}', "/items/0/quantity", "Expected `int` <= 100."),
        (b'{"items":[{"productId":"a","quantity":true}]}', "/items/0/quantity", "Expected `int`, got `bool`."),
        (b'{"items":[{"productId":null,"quantity":1}]}', "/items/0/productId", "Expected `str`, got `null`."),
        (
            b'{"items":[{"product_id":"a","quantity":1}]}',
            "/items/0/product_id",
            "Object contains unknown field `product_id`.",
        ),
        (b'{"items":[{"productId":"a","quantity":1},{"x":1}]}', "/items/1/x", "Object contains unknown field `x`."),
        (
            b'{"items":[{"productId":"a","quantity":1,"price":1.005}]}',
            "/items/0/price",
            "Expected at most two decimals.",
        ),
        (b'{"items":[{"productId":"a","quantity":1,"price":"1"}]}', "/items/0/price", "Expected an amount."),
        (b'{"items":[{"productId":"a","quantity":1,"price":1e400}]}', "/items/0/price", "Number out of range."),
        (b'{"items":[{"productId":"a","quantity":1,"price":1e-400}]}', "/items/0/price", "Number out of range."),
        (b'{"items":[{"productId":"a","quantity":1,"price":1e999999999}]}', "/items/0/price", "Number out of range."),
        (
            b'{"items":[{"productId":"a","quantity":1,"price":%s}]}' % (b"9" * 41),
            "/items/0/price",
            "Number out of range.",
        ),
        (
            b'{"items":[{"productId":"a","quantity":%s}]}' % (b"9" * 5000),
            "/items/0/quantity",
            "Integer value out of range.",
        ),
        (b'{"items":[{"productId":"a","quantity":1e400}]}', "/items/0/quantity", "Number out of range."),
        (b'{"items":[{"productId":"a","quantity":1}],"weight":1e400}', "/weight", "Number out of range."),
        (b'{"items":[{"productId":"a","quantity":1}],"weight":%s}' % (b"9" * 400), "/weight", "Number out of range."),
        (b'{"items":[{"productId":"a","quantity":1}],"labels":{"x":"y"}}', "/labels", "Expected `int`, got `str`."),
        (b'{"items":[{"productId":"a","quantity":1}],"a/b~c":1}', "/a~1b~0c", "Object contains unknown field `a/b~c`."),
    ],
)
def test_json_of_another_shape_is_told_by_pointer(body: bytes, pointer: str, detail: str) -> None:
    problem = refusal(Order, body)

    assert InvalidFields is type(problem)
    assert (FieldMistake(pointer, detail),) == problem.errors


def test_the_detail_of_a_mistake_says_where_it_is() -> None:
    problem = refusal(Order, b'{"items":[{"productId":"a"}]}')

    assert "The request has a mistake at /items/0/quantity: Object missing required field `quantity`." == problem.detail


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it is truncated"),
        (b" ", "it is truncated"),
        (b"{", "it is truncated"),
        (b'{"items":[', "it is truncated"),
        (b"NaN", "invalid character (byte 0)"),
        (b'{"weight":NaN}', "invalid character (byte 10)"),
        (b'{"weight":Infinity}', "invalid character (byte 10)"),
        (b'{"weight":01}', ""),
        (b'{"weight":+1}', ""),
        (b'{"weight":.5}', ""),
        (b'{"note":"a\nb"}', ""),
        (b"{'note':'a'}", ""),
        (b'{"note":"a",}', ""),
        (b'{"items":[]} x', "trailing characters"),
        (b'\xef\xbb\xbf{"items":[]}', ""),
        ('{"note":"é"}'.encode("latin-1"), "it is not UTF-8"),
        ('{"note":"é"}'.encode("utf-16"), ""),
        (rb'{"note":"\ud800"}', ""),
        (rb'{"note":"\ud800 and more"}', ""),
        (rb'{"note":"\udc00\ud800"}', ""),
        (b"[" * 100_000, ""),
        (b'{"note":' * 100_000, ""),
        (b'{"unknown":' + b"[" * 100_000, ""),
        (b'{"unknown":1', "it is truncated"),
        (b'{"items":1', "it is truncated"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_not_json_is_a_bad_request(body: bytes, reason: str) -> None:
    problem = refusal(Order, body)

    assert BadRequest is type(problem)
    assert problem.detail.startswith("The body is not JSON: ")
    assert reason in problem.detail


def test_hostile_nesting_in_an_open_field_is_a_bad_request() -> None:
    problem = refusal(Loose, b'{"name":"","anything":' + b"[" * 100_000 + b"]" * 100_000 + b"}")

    assert "The body is not JSON: it is nested too deeply." == problem.detail


@given(st.binary(max_size=200))
def test_no_bytes_whatever_are_more_than_a_problem(body: bytes) -> None:
    try:
        order = decoder(Order).decode(body)
    except Problem as problem:
        assert problem.status in (400, 422)  # noqa: PT017 - either way is fine
    else:
        assert order.items


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(_json)
def test_any_json_is_an_order_or_a_field_mistake(value: Any) -> None:
    body = msgspec.json.encode(value)

    try:
        order = decoder(Order).decode(body)
    except InvalidFields as problem:
        assert 1 == len(problem.errors)  # noqa: PT017 - either way is fine
    else:
        assert order.items


@given(st.lists(st.text(), max_size=5))
def test_a_pointer_can_be_read_back(steps: list[str]) -> None:
    pointer = json_pointer(steps)
    read = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]

    assert steps == read


@given(st.integers(-(10**15), 10**15))
def test_scalars_survive_the_wire_exactly(cents: int) -> None:
    line = Line(product_id="a", quantity=1, price=Cents(cents))

    assert line == decoder(Line).decode(encode(line))


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**38), max_value=10**38, places=20))
def test_exact_numbers_keep_every_digit(number: Decimal) -> None:
    assert number == exact_number(str(number))


@pytest.mark.parametrize("text", ["", "x", "1_0x", "nan", "inf", "-inf", "sNaN", "1e41", "1e-41", "1e999999999999"])
def test_numbers_that_are_none_or_absurd_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"number|range"):
        exact_number(text)


def test_schemas_name_what_has_a_name_and_know_scalars() -> None:
    (order,), shared = wire.schemas([Order], "#/x/{name}")

    assert {"$ref": "#/x/Order"} == order
    assert {"Order", "Line"} == shared.keys()
    assert shared["Line"]["additionalProperties"] is False
    assert {"type": "number", "multipleOf": 0.01} in shared["Line"]["properties"]["price"]["anyOf"]


def test_a_type_without_a_schema_is_a_clear_mistake() -> None:
    class Opaque:
        pass

    with pytest.raises(TypeError, match="has no JSON schema; give it wire_schema"):
        wire.schemas([Opaque], "{name}")


def test_ids_are_read_from_their_text_form() -> None:
    text = "0190b6c2-7d5e-7b43-8b65-2f3a0d6c9e11"

    assert UUID(text) == decoder(UUID).decode(f'"{text}"'.encode())
