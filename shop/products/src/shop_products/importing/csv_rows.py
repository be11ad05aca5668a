"""From text to rows of cells (RFC 4180, and what programs really write), in pieces cut anywhere.

Cells may be quoted, with separators, line breaks and doubled quotes inside; lines end with CR LF, LF or CR.
Nothing is read twice, and nothing is kept but one row of at most `MAX_ROW` characters: time grows with the
text only, and memory not at all.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

MAX_ROW = 1024 * 1024
"""Characters of one row's cells, with the separators. Shopify allows half of that for the longest cell."""

_LINE_BREAK = re.compile(r"[\r\n]")


class Row(NamedTuple):
    """One row. `line` is where it begins, the first being 1."""

    line: int
    cells: list[str]


class BrokenRow(NamedTuple):
    """A row that cannot be read, with those of its cells that could; `reason` is a sentence.

    The row after it is read as if nothing had happened.
    """

    line: int
    cells: list[str]
    reason: str


class CsvRows:
    """Reads one text: `feed` it in pieces, then call `end`; each returns the rows that it made whole.

    Empty lines are no rows. After a closing quote only spaces may come, which mean nothing.
    """

    def __init__(self, separator: str) -> None:
        self._separator = separator
        self._cell_end = re.compile(f"[{separator}\r\n]")
        self._read: Callable[[str, int], int] = self._row_start
        self._found: list[Row | BrokenRow] = []
        self._cells: list[str] = []
        self._cell: list[str] = []
        self._size = 0
        self._mistake = ""
        self._line = 1
        self._row_line = 1
        self._quote_line = 1
        self._after_return = False

    def feed(self, text: str) -> list[Row | BrokenRow]:
        """The rows that end within `text`."""
        position, length = 0, len(text)
        while position < length:
            position = self._read(text, position)
        return self._take_found()

    def end(self) -> list[Row | BrokenRow]:
        """The row that ends with the text, if there is one."""
        if self._read == self._quoted:
            self._mistake = f"A quote opens in line {self._quote_line} and is never closed; all the rest is inside it."
        if self._read not in {self._row_start, self._line_feed}:
            self._end_cell()
            self._end_row()
            self._read = self._row_start
        return self._take_found()

    # Each of these reads some of the text from a position on, decides who reads the rest, and says where that begins.

    def _row_start(self, text: str, position: int) -> int:
        """A whole row at once where it has no quotes: most have none, and this is many times as fast."""
        self._row_line = self._line
        line_break = _LINE_BREAK.search(text, position)
        if line_break is None or text.find('"', position, line_break.start()) >= 0:
            self._read = self._cell_start
            return position
        end = line_break.start()
        if end - position > MAX_ROW:
            self._give_up_row()
        if end > position:
            self._cells = text[position:end].split(self._separator)
            self._end_row()
        return self._line_break(text, end)

    def _cell_start(self, text: str, position: int) -> int:
        if text[position] != '"':
            self._read = self._plain
            return position
        self._quote_line = self._line
        self._after_return = False
        self._read = self._quoted
        return position + 1

    def _plain(self, text: str, position: int) -> int:
        end = self._cell_end.search(text, position)
        if end is None:
            self._keep(text[position:])
            return len(text)
        self._keep(text[position : end.start()])
        return self._cell_ended(text, end.start())

    def _quoted(self, text: str, position: int) -> int:
        quote = text.find('"', position)
        inside = text[position:] if quote < 0 else text[position:quote]
        self._count_lines(inside)
        self._keep(inside)
        if quote < 0:
            return len(text)
        self._read = self._after_quote
        return quote + 1

    def _after_quote(self, text: str, position: int) -> int:
        """The quote was the first of two, or the cell's end."""
        if text[position] != '"':
            self._read = self._after_quoted
            return position
        self._keep('"')
        self._after_return = False
        self._read = self._quoted
        return position + 1

    def _after_quoted(self, text: str, position: int) -> int:
        character = text[position]
        if self._cell_end.match(character):
            return self._cell_ended(text, position)
        if character != " ":
            self._mistake = self._mistake or "A cell goes on after its closing quote; quotes inside a cell are doubled."
            self._read = self._plain
        return position + 1

    def _cell_ended(self, text: str, position: int) -> int:
        self._end_cell()
        if text[position] == self._separator:
            self._read = self._cell_start
            return position + 1
        self._end_row()
        return self._line_break(text, position)

    def _line_break(self, text: str, position: int) -> int:
        self._line += 1
        self._read = self._line_feed if text[position] == "\r" else self._row_start
        return position + 1

    def _line_feed(self, text: str, position: int) -> int:
        """The second half of CR LF, if it is there."""
        self._read = self._row_start
        return position + 1 if text[position] == "\n" else position

    # What is kept meanwhile.

    def _keep(self, text: str) -> None:
        self._size += len(text)
        if self._size <= MAX_ROW:
            self._cell.append(text)
        else:
            self._give_up_row()

    def _end_cell(self) -> None:
        self._size += 1
        if self._size <= MAX_ROW:
            self._cells.append("".join(self._cell))
        self._cell.clear()

    def _end_row(self) -> None:
        found = (
            BrokenRow(self._row_line, self._cells, self._mistake) if self._mistake else Row(self._row_line, self._cells)
        )
        self._found.append(found)
        self._cells = []
        self._size = 0
        self._mistake = ""

    def _give_up_row(self) -> None:
        self._cell.clear()
        self._mistake = f"The row is longer than {MAX_ROW} characters; perhaps a quote before it is not closed."

    def _count_lines(self, text: str) -> None:
        """Count the line breaks in a piece of a cell; CR LF is one, even when the pieces part it."""
        if not text:
            return
        breaks = text.count("\n") + text.count("\r") - text.count("\r\n")
        if self._after_return and text[0] == "\n":
            breaks -= 1
        self._line += breaks
        self._after_return = text[-1] == "\r"

    def _take_found(self) -> list[Row | BrokenRow]:
        found, self._found = self._found, []
        return found
