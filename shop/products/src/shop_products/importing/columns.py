"""The header of a product export, and which cell of a row is what."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from atoll.problems import FieldMistake, InvalidFields


class ProductRow(NamedTuple):
    """The cells of one row that matter, without the spaces around them; empty where there is none.

    Those from `title` to `status` are said once for a product, in the first of its rows.
    """

    handle: str
    title: str
    body: str
    type: str
    category: str
    published: str
    status: str
    option1: str
    option2: str
    option3: str
    sku: str
    price: str
    stock: str


_NAMES = ProductRow(
    handle="Handle|URL handle",
    title="Title",
    body="Body (HTML)|Body HTML|Description",
    type="Type|Custom Product Type",
    category="Product Category|Standardized Product Type|Google Shopping / Google Product Category",
    published="Published|Published on online store",
    status="Status",
    option1="Option1 Value",
    option2="Option2 Value",
    option3="Option3 Value",
    sku="Variant SKU|SKU",
    price="Variant Price|Price",
    stock="Variant Inventory Qty|Inventory quantity",
)
"""What Shopify calls each of them, the name of longest standing first; the first cell that is not empty counts."""

_REQUIRED = ("handle", "title", "price")
_UNIMPORTANT = re.compile(r"[\W_]+")


class HeaderInvalid(InvalidFields):
    """The first row cannot be a header: it is empty, or a column is missing or there twice. Nothing is imported.

    What to do: export the file anew, or correct its first row; `errors` names the columns.
    """

    def __init__(self, detail: str, names: Sequence[str] = (), mistake: str = "") -> None:
        super().__init__(detail, errors=[FieldMistake(name, mistake) for name in names])
        self.names = tuple(names)


class Columns:
    """Finds cells by the names in the header, whatever their order, case and spaces.

    Raises `HeaderInvalid` for a column that is missing, or there twice.
    """

    def __init__(self, header: Sequence[str]) -> None:
        self.count = len(header)
        keys = [_key(name) for name in header]
        self._places = [_places(names.split("|"), keys) for names in _NAMES]
        self._refuse_missing()

    def pick(self, cells: Sequence[str]) -> ProductRow:
        """The cells of one row; those that a short row does not have are empty."""
        return ProductRow._make(_first_filled(cells, places) for places in self._places)

    def _refuse_missing(self) -> None:
        places = ProductRow._make(self._places)._asdict()
        missing = [getattr(_NAMES, field).partition("|")[0] for field in _REQUIRED if not places[field]]
        if missing:
            columns = ("column" if len(missing) == 1 else "columns") + " " + ", ".join(missing)
            detail = f"The first row must name the columns, as a Shopify export does; it lacks the {columns}"
            raise HeaderInvalid(detail, missing, "There is no such column.")


def _key(name: str) -> str:
    return _UNIMPORTANT.sub("", name).casefold()


def _places(names: Sequence[str], keys: Sequence[str]) -> tuple[int, ...]:
    """Where the columns of these names are."""
    for name in names:
        if keys.count(_key(name)) > 1:
            raise HeaderInvalid(f"The column {name} is there more than once", [name], "It is there more than once.")
    return tuple(keys.index(_key(name)) for name in names if _key(name) in keys)


def _first_filled(cells: Sequence[str], places: Sequence[int]) -> str:
    for place in places:
        if place < len(cells) and (cell := cells[place].strip()):
            return cell
    return ""
