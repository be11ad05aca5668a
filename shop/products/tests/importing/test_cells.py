import pytest

from shop_contracts.money import Money
from shop_contracts.products import MAX_DESCRIPTION, MAX_STOCK
from shop_products.importing.cells import (
    CellMistake,
    Stock,
    category_in,
    name_in,
    price_in,
    shortened,
    stock_in,
)


@pytest.mark.parametrize(
    ("cell", "minor"),
    [("9.99", 999), ("500", 50000), ("10.", 1000), (".5", 50), ("0", 0), ("007.50", 750), ("9.990", 999)],
)
def test_a_price_has_up_to_two_decimals(cell: str, minor: int) -> None:
    assert Money(minor) == price_in(cell)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("", "The price is missing."),
        ("1,299.00", "without thousands separators"),
        ("1.299,00", "with a point before the decimals"),
        ("1 299", "without thousands separators"),
        ("12,50", "with a point before the decimals"),
        ("$5", "or a currency"),
        ("free", 'The price "free" must be written like 1299.50'),
        ("9.999", "at most two decimals"),
        ("-1", "between 0 and"),
        ("10000000", "A price is at most 9999999.99"),
        ("9" * 400_000, "Number out of range"),
        ("1e3", "must be written like"),
        ("٣", "must be written like"),
    ],
)
def test_another_price_is_refused_with_the_reason(cell: str, words: str) -> None:
    with pytest.raises(CellMistake) as refused:
        price_in(cell)

    assert words in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("cell", "stock"),
    [
        ("12", Stock(12)),
        ("", Stock(0)),
        ("3.0", Stock(3)),
        ("-4", Stock(0, "The stock of -4 is taken as 0.")),
        (str(MAX_STOCK), Stock(MAX_STOCK)),
    ],
)
def test_a_stock_is_a_count(cell: str, stock: Stock) -> None:
    assert stock == stock_in(cell)


@pytest.mark.parametrize("cell", ["many", "1.5", "1,000", str(MAX_STOCK + 1), "9" * 400_000])
def test_another_stock_is_refused(cell: str) -> None:
    with pytest.raises(CellMistake, match="is not a whole number up to"):
        stock_in(cell)


@pytest.mark.parametrize(
    ("options", "name"),
    [((), "Pot"), (("Large",), "Pot – Large"), (("Large", "Red"), "Pot – Large / Red"), (("", "Red"), "Pot – Red")],  # noqa: RUF001 - a dash
)
def test_a_name_has_the_option_values(options: tuple[str, ...], name: str) -> None:
    assert name == name_in("Pot", options)


def test_a_name_may_be_too_long() -> None:
    with pytest.raises(CellMistake, match="has 201 characters; 200 are the most"):
        name_in("x" * 201, ())


@pytest.mark.parametrize(
    ("type_", "category", "expected"),
    [
        ("Outdoor", "Home & Garden > Decor > Vases", "Outdoor"),
        ("", "Home & Garden > Decor > Vases", "Vases"),
        ("", "Vases", "Vases"),
        ("", "Home & Garden >", "Uncategorised"),
        ("", "499976", "Uncategorised"),
        ("", "", "Uncategorised"),
    ],
)
def test_the_category_is_the_type_or_else_the_last_part_of_the_category(
    type_: str, category: str, expected: str
) -> None:
    assert expected == category_in(type_, category)


@pytest.mark.parametrize("text", ["word " * 2000, "x" * 9000])
def test_a_long_description_is_cut(text: str) -> None:
    short = shortened(text)

    assert MAX_DESCRIPTION - 10 < len(short) <= MAX_DESCRIPTION
    assert short.endswith(("word…", "x…"))
    assert shortened(short) == short
