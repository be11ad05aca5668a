"""Rows of a file, from the header on, and what is found in them."""

from shop_contracts.money import Money
from shop_contracts.products import NewProduct
from shop_products.importing.catalogue_file import CatalogueFile
from shop_products.importing.found import Found, Mistaken, Skipped, Variant

HEADER = (
    "Handle,Title,Body (HTML),Type,Published,Option1 Value,Option2 Value,"
    "Variant SKU,Variant Price,Variant Inventory Qty,Image Src,Status"
)


def found_in(*lines: str) -> list[Found]:
    file = CatalogueFile()
    return file.feed("\n".join([HEADER, *lines]).encode("utf-8", "surrogateescape")) + file.end()


def names_in(*lines: str) -> list[str]:
    return [found.product.name for found in found_in(*lines) if isinstance(found, Variant)]


def reasons_in(*lines: str) -> list[tuple[int, str, str]]:
    return [(found.line, found.handle, found.reason) for found in found_in(*lines) if isinstance(found, Mistaken)]


def test_a_row_is_a_product_with_its_stock() -> None:
    (pot,) = found_in("pot,Clay Pot,<p>For <b>plants</b></p>,Outdoor,true,Default Title,,P-1,9.99,3,,active")

    product = NewProduct(name="Clay Pot", description="For plants", price=Money(999), category="Outdoor", stock=3)
    assert pot == Variant(line=2, handle="pot", options="", product=product)


def test_later_rows_of_a_handle_are_variants_of_the_same_product() -> None:
    small, large = found_in("pot,Clay Pot,<p>Clay</p>,Outdoor,,Small,Red,,9.99,3,,", "pot,,,,,Large,Red,,15.99,1,,")

    assert isinstance(small, Variant)
    assert isinstance(large, Variant)
    assert [small.product.name, large.product.name] == ["Clay Pot – Small / Red", "Clay Pot – Large / Red"]  # noqa: RUF001 - a dash
    assert [small.options, large.options] == ["Small\nRed", "Large\nRed"]
    assert (large.product.description, large.product.category) == ("Clay", "Outdoor")
    assert (large.product.price, large.product.stock) == (Money(1599), 1)


def test_rows_with_one_more_image_are_passed_over() -> None:
    rows = ["pot,Pot,,,,,,,9.99,,a.jpg,", "pot,,,,,,,,,,b.jpg,", "pot,Pot,,,,,,,,,c.jpg,", "jug,Jug,,,,,,,5,,,"]

    assert names_in(*rows) == ["Pot", "Jug"]
    assert reasons_in(*rows) == []


def test_empty_rows_are_passed_over() -> None:
    assert names_in("", ",,,,,,,,,,,", "pot,Pot,,,,,,,9.99,,,", "", "") == ["Pot"]


def test_a_title_that_comes_late_holds_from_there_on() -> None:
    rows = ["pot,,,,,Small,,,9.99,,,", "pot,Pot,,,,Large,,,9.99,,,"]

    assert names_in(*rows) == ["Pot – Large"]  # noqa: RUF001 - a dash
    assert reasons_in(*rows) == [(2, "pot", "The title is missing.")]


def test_products_that_are_not_to_be_shown_are_skipped_with_all_their_variants() -> None:
    found = found_in(
        "pot,Pot,,,false,Small,,,9.99,,,active",
        "pot,,,,,Large,,,nothing,,,",
        "jug,Jug,,,TRUE,,,,9.99,,,Draft",
        "cup,Cup,,,,,,,9.99,,,archived",
    )

    assert found == [
        Skipped(2, "pot", "The product is not published."),
        Skipped(3, "pot", "The product is not published."),
        Skipped(4, "jug", "The product's status is draft."),
        Skipped(5, "cup", "The product's status is archived."),
    ]


def test_a_bad_row_stops_none_of_the_others() -> None:
    rows = [
        "pot,Pot,,,,Small,,,,,,",
        "pot,,,,,Large,,,9.99,,,",
        "jug,Jug,,,,,,,9.999,,,",
        ",Cup,,,,,,,5,,,",
        "mug,Mug,,,,,,,5,some,,",
        f"{'x' * 256},Long,,,,,,,5,,,",
        "bad-\udcfc,Bad,,,,,,,5,,,",
        "bed,Bed \udcfc,,,,,,,5,,,",
        "bed,,,,,Large,,,5,,,",
        "can,Can,,,,\udcfc,,,5,,,",
        "fan,Fan,,,,,,,5,,,,,,x",
        'hat,Hat,,"a"b,,,,,5,,,',
        "key,Key,,,,,,,5,,,",
    ]

    assert names_in(*rows) == ["Pot – Large", "Key"]  # noqa: RUF001 - a dash
    not_text = "The row has characters that could not be read; save the file as UTF-8."
    price = 'The price "9.999" is refused. An amount of money has at most two decimals.'
    assert reasons_in(*rows) == [
        (2, "pot", "The price is missing."),
        (4, "jug", price),
        (5, "", "The handle is missing."),
        (6, "mug", 'The stock "some" is not a whole number up to 1000000000000.'),
        (7, "x" * 255, "The handle has 256 characters; 255 are the most."),
        (8, "bad-?", not_text),
        (9, "bed", not_text),
        (10, "bed", f"The product's first row, line 9, is wrong. {not_text}"),
        (11, "can", not_text),
        (12, "fan", "The row has 15 cells, but there are only 12 columns."),
        (13, "hat", "A cell goes on after its closing quote; quotes inside a cell are doubled."),
    ]


def test_bytes_that_are_no_text_do_not_matter_in_a_column_that_does_not() -> None:
    assert names_in("pot,Pot,,,,,,,9.99,,\udcfc.jpg,") == ["Pot"]


def test_what_was_not_taken_as_written_is_noted() -> None:
    small, large = found_in(f"pot,Pot,{'word ' * 2000},,,Small,,,5,-3,,", "pot,,,,,Large,,,5,,,")

    assert isinstance(small, Variant)
    assert isinstance(large, Variant)
    assert small.product.stock == 0
    assert "The description of 9999 characters is cut to 4" in small.note
    assert "The stock of -3 is taken as 0." in small.note
    assert large.note == ""
