"""Money keeps every cent, and refuses what it cannot keep."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll import wire
from atoll.problems import InvalidFields
from shop_contracts.money import MAX_MINOR, Money

amounts = st.integers(0, MAX_MINOR).map(Money)


class Price(wire.Model):
    price: Money


def read(number: str) -> Money:
    price: Price = wire.decoder(Price).decode(b'{"price":%s}' % number.encode())
    return price.price


@given(amounts)
def test_what_is_written_is_read_back(amount: Money) -> None:
    written = wire.encode(Price(price=amount))

    assert amount == wire.decoder(Price).decode(written).price


@given(amounts)
def test_a_reader_that_uses_doubles_gets_every_cent(amount: Money) -> None:
    double = json.loads(wire.encode(Price(price=amount)))["price"]

    assert amount.minor == round(double * 100)


@given(amounts)
def test_the_double_that_is_written_is_read_back(amount: Money) -> None:
    assert amount == Money.from_major(json.loads(wire.encode(amount)))


@pytest.mark.parametrize("value", [0.001, 19.999, -0.01, float(MAX_MINOR), 1e300])
def test_a_double_that_is_no_amount_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="amount of money"):
        Money.from_major(value)


@given(st.decimals(0, Decimal(10) ** 13 - 1, places=2))
def test_any_number_with_two_decimals_is_an_amount(number: Decimal) -> None:
    assert number == Decimal(wire.encode(read(f"{number:f}")).decode())


@pytest.mark.parametrize(
    ("number", "minor"),
    [("0", 0), ("-0.0", 0), ("12", 1200), ("12.5", 1250), ("12.500", 1250), ("1e2", 10_000), ("0.1e1", 100)],
)
def test_any_way_to_write_a_number_means_the_same(number: str, minor: int) -> None:
    assert Money(minor) == read(number)


@pytest.mark.parametrize(
    "number",
    [
        "0.001",
        "12.345",
        "1.0000000000000000000000000000000000001",
        "-0.01",
        "-1",
        "1e400",
        "1e-400",
        "1e14",
        "10000000000000",
        "9999999999999.991",
        '"12.50"',
        "true",
        "null",
        "[1]",
        "9" * 5000,
    ],
)
def test_what_is_no_amount_is_refused_where_it_stands(number: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        read(number)

    assert [mistake.pointer for mistake in refused.value.errors] == ["/price"]


def test_the_largest_amount_is_an_amount() -> None:
    assert Money(MAX_MINOR) == read("9999999999999.99")


def test_one_more_is_a_mistake_in_the_program() -> None:
    with pytest.raises(ValueError, match=r"9,999,999,999,999\.99"):
        Money(MAX_MINOR) + Money(1)


def test_it_reads_as_money() -> None:
    assert str(Money(995) * 2) == "19.90"
