import pytest

from shop_products.importing.columns import Columns, HeaderInvalid

LEAST = ["Handle", "Title", "Variant Price"]


def test_cells_are_found_whatever_the_order_case_and_spaces_of_the_columns() -> None:
    columns = Columns(["variant price", "", " TITLE", "Unknown", "handle ", "Option1  value"])
    row = columns.pick(["9.99", "?", " Pot ", "?", "pot", "Large"])

    assert (row.handle, row.title, row.price, row.option1) == ("pot", "Pot", "9.99", "Large")
    assert (row.body, row.stock) == ("", "")


def test_a_short_row_has_empty_cells_at_its_end() -> None:
    assert Columns([*LEAST, "Status"]).pick(["pot"]).status == ""


def test_the_columns_of_newer_exports_are_known() -> None:
    header = "Title,URL handle,Description,Product category,Published on online store,SKU,Price,Inventory quantity"
    row = Columns(header.split(",")).pick(["Pot", "pot", "Clay", "Home > Pots", "TRUE", "P1", "9.99", "3"])

    assert row == ("pot", "Pot", "Clay", "", "Home > Pots", "TRUE", "", "", "", "", "P1", "9.99", "3")


def test_of_several_columns_for_one_thing_the_first_that_is_filled_counts() -> None:
    columns = Columns([*LEAST, "Google Shopping / Google Product Category", "Product Category"])

    assert columns.pick(["", "", "", "Vases", ""]).category == "Vases"
    assert columns.pick(["", "", "", "Vases", "Pots"]).category == "Pots"


def test_missing_columns_are_named() -> None:
    with pytest.raises(HeaderInvalid) as refused:
        Columns(["Title", "Colour"])

    assert refused.value.names == ("Handle", "Variant Price")
    assert "lacks the columns Handle, Variant Price" in refused.value.detail
    assert [mistake.pointer for mistake in refused.value.errors] == ["Handle", "Variant Price"]


def test_a_column_that_is_there_twice_is_named() -> None:
    with pytest.raises(HeaderInvalid, match="The column Title is there more than once"):
        Columns([*LEAST, "title"])
