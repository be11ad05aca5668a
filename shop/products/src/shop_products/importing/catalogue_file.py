"""One file, from its bytes to what its rows hold."""

import re

from atoll.problems import UnsupportedMediaType
from shop_products.importing.columns import Columns, HeaderInvalid
from shop_products.importing.csv_rows import BrokenRow, CsvRows, Row
from shop_products.importing.found import Found
from shop_products.importing.separators import separator_in
from shop_products.importing.shopify_rows import ShopifyRows
from shop_products.importing.text import TextDecoder, is_text

MAX_HEADER = 64 * 1024
"""Characters until the end of the first line; exports with many metafields and markets have some thousands."""

_FIRST_LINE = re.compile(r"[\r\n]*+([^\r\n]++)[\r\n]")


class CatalogueFile:
    """Reads one file: `feed` it in pieces, then call `end`; both return what was found, in the order of the rows.

    Raises `HeaderInvalid`, or `UnsupportedMediaType` for what is no text, before anything was found; never after.
    """

    def __init__(self) -> None:
        self._decoder = TextDecoder()
        self._start = ""
        self._csv: CsvRows | None = None
        self._rows: ShopifyRows | None = None

    def feed(self, data: bytes) -> list[Found]:
        """What the rows hold that end within `data`."""
        return self._found_in(self._rows_in(self._decoder.decode(data), last=False))

    def end(self) -> list[Found]:
        """What the last row holds, when no line break ended it."""
        found = self._found_in(self._rows_in(self._decoder.decode(b"", last=True), last=True))
        if self._rows is None:
            raise HeaderInvalid("The body is empty; its first row must name the columns, as a Shopify export does")
        return found

    def _rows_in(self, text: str, *, last: bool) -> list[Row | BrokenRow]:
        if self._csv is None:
            self._start += text
            self._csv = self._csv_beginning(last=last)
            if self._csv is None:
                return []
            text, self._start = self._start, ""
        rows = self._csv.feed(text)
        return rows + self._csv.end() if last else rows

    def _csv_beginning(self, *, last: bool) -> CsvRows | None:
        """The reader for this kind of CSV; None while the first line is not whole."""
        first_line = _FIRST_LINE.match(self._start)
        if first_line is not None:
            return CsvRows(separator_in(first_line[1]))
        _refuse_what_is_no_text(self._start)
        if len(self._start) > MAX_HEADER:
            raise HeaderInvalid(f"The first line is longer than {MAX_HEADER} characters; it must name the columns")
        return CsvRows(separator_in(self._start)) if last else None

    def _found_in(self, rows: list[Row | BrokenRow]) -> list[Found]:
        if self._rows is None and rows:
            self._rows = ShopifyRows(_columns(rows.pop(0)))
        return [found for row in rows if self._rows and (found := self._rows.read(row))]


def _columns(header: Row | BrokenRow) -> Columns:
    _refuse_what_is_no_text("".join(header.cells))
    if isinstance(header, BrokenRow):
        raise HeaderInvalid(f"The first row, which must name the columns, cannot be read. {header.reason}")
    return Columns(header.cells)


def _refuse_what_is_no_text(text: str) -> None:
    if not is_text(text):
        raise UnsupportedMediaType("The body is no text in UTF-8; save the catalogue as CSV in UTF-8")
