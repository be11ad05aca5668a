"""From rows to variants. What a product's first row says holds for the rows after it with the same handle."""

from dataclasses import dataclass

from shop_contracts.products import NewProduct
from shop_products.importing.cells import CellMistake, category_in, name_in, one_line, price_in, shortened, stock_in
from shop_products.importing.columns import Columns, ProductRow
from shop_products.importing.csv_rows import BrokenRow, Row
from shop_products.importing.found import Found, Mistaken, Skipped, Variant
from shop_products.importing.html_text import text_of
from shop_products.importing.text import is_text, printable

MAX_HANDLE = 255
"""Characters; Shopify has the same limit."""

_DEFAULT_OPTION = ("default title",)
_NOT_TEXT = "The row has characters that could not be read; save the file as UTF-8."


@dataclass(frozen=True, slots=True)
class Head:
    """What a product's first row says of all its variants. `note`, `hidden` and `mistake` are sentences or empty."""

    line: int
    handle: str
    title: str = ""
    description: str = ""
    category: str = ""
    note: str = ""
    hidden: str = ""
    """Why the product is not to be shown."""
    mistake: str = ""
    """What is wrong with it."""


class ShopifyRows:
    """Reads the rows of one file, in order; remembers no more than the product it is at."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._head = Head(line=0, handle="")

    def read(self, row: Row | BrokenRow) -> Found | None:
        """What the row holds; None when that is one more image of a product, or nothing."""
        cells = self._columns.pick(row.cells)
        mistake = row.reason if isinstance(row, BrokenRow) else self._wrong_shape(row, cells)
        if mistake:
            return Mistaken(row.line, printable(cells.handle[:MAX_HANDLE]), mistake)
        if not any(cells):
            return None
        if cells.handle != self._head.handle or (cells.title and not self._head.title):
            self._head = _head(row.line, cells)
        elif _is_image(cells):
            return None
        return _variant(row.line, cells, self._head)

    def _wrong_shape(self, row: Row, cells: ProductRow) -> str:
        """What is wrong with the row as a whole, as a sentence."""
        if any(row.cells[self._columns.count :]):
            return f"The row has {len(row.cells)} cells, but there are only {self._columns.count} columns."
        if not cells.handle and any(cells):
            return "The handle is missing."
        if len(cells.handle) > MAX_HANDLE:
            return f"The handle has {len(cells.handle)} characters; {MAX_HANDLE} are the most."
        return "" if is_text(cells.handle) else _NOT_TEXT


def _head(line: int, cells: ProductRow) -> Head:
    hidden = _why_hidden(cells)
    if hidden:
        return Head(line, cells.handle, hidden=hidden)
    if not cells.title:
        return Head(line, cells.handle, mistake="The title is missing.")
    if not all(map(is_text, (cells.title, cells.body, cells.type, cells.category))):
        return Head(line, cells.handle, mistake=_NOT_TEXT)
    try:
        category = category_in(cells.type, cells.category)
    except CellMistake as mistake:
        return Head(line, cells.handle, mistake=str(mistake))
    whole = text_of(cells.body)
    description = shortened(whole)
    note = "" if description == whole else f"The description of {len(whole)} characters is cut to {len(description)}."
    return Head(line, cells.handle, one_line(cells.title), description, category, note)


def _why_hidden(cells: ProductRow) -> str:
    if cells.published.casefold() == "false":
        return "The product is not published."
    status = cells.status.casefold()
    return "" if status in {"", "active"} else f"The product's status is {printable(status[:40])}."


def _is_image(cells: ProductRow) -> bool:
    return not (cells.option1 or cells.option2 or cells.option3 or cells.sku or cells.price)


def _variant(line: int, cells: ProductRow, head: Head) -> Found:
    if head.hidden:
        return Skipped(line, head.handle, head.hidden)
    if head.mistake:
        first = "" if line == head.line else f"The product's first row, line {head.line}, is wrong. "
        return Mistaken(line, head.handle, first + head.mistake)
    try:
        return _read_variant(line, cells, head)
    except CellMistake as mistake:
        return Mistaken(line, head.handle, str(mistake))


def _read_variant(line: int, cells: ProductRow, head: Head) -> Variant:
    if not all(map(is_text, cells)):
        raise CellMistake(_NOT_TEXT)
    options = _options(cells)
    stock = stock_in(cells.stock)
    product = NewProduct(
        name=name_in(head.title, options),
        description=head.description,
        price=price_in(cells.price),
        category=head.category,
        stock=stock.quantity,
    )
    notes = [head.note if line == head.line else "", stock.note]
    return Variant(line, head.handle, "\n".join(options), product, " ".join(filter(None, notes)))


def _options(cells: ProductRow) -> tuple[str, ...]:
    """The option values, without empty ones at the end; none for the one variant of a product without options."""
    options = [one_line(cell) for cell in (cells.option1, cells.option2, cells.option3)]
    while options and not options[-1]:
        options.pop()
    return () if options and tuple(map(str.casefold, options)) == _DEFAULT_OPTION else tuple(options)
