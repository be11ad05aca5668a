import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_products.importing.csv_rows import MAX_ROW, BrokenRow, CsvRows, Row
from shop_products.importing.separators import SEPARATORS

CELLS = st.text(st.one_of(st.sampled_from("\"',;\t\r\n x"), st.characters(exclude_categories=["Cs"])), max_size=8)
TABLES = st.lists(st.lists(CELLS, min_size=1, max_size=5), max_size=6)
NOISE = st.text(st.sampled_from('",;\t\r\n ab'), max_size=60)


def cut(text: str, places: Sequence[int]) -> list[str]:
    """The text in pieces, cut wherever `places` says; some may be empty."""
    ends = sorted(place % (len(text) + 1) for place in places)
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


def rows_of(pieces: Sequence[str], separator: str = ",") -> list[Row | BrokenRow]:
    reader = CsvRows(separator)
    return [row for piece in pieces for row in reader.feed(piece)] + reader.end()


def cells_of(text: str, separator: str = ",") -> list[list[str]]:
    return [row.cells for row in rows_of([text], separator)]


@given(
    table=TABLES,
    separator=st.sampled_from(SEPARATORS),
    # Unless all cells are quoted, Python's writer leaves line breaks bare that are not its own.
    style=st.sampled_from(
        [(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\r\n"), (csv.QUOTE_ALL, "\n"), (csv.QUOTE_ALL, "\r")]
    ),
    places=st.lists(st.integers(0, 2000), max_size=6),
)
def test_what_pythons_writer_writes_is_read_back_however_it_is_cut(
    table: list[list[str]], separator: str, style: tuple[int, str], places: list[int]
) -> None:
    quoting, line_end = style
    written = io.StringIO()
    csv.writer(written, delimiter=separator, quoting=quoting, lineterminator=line_end).writerows(table)  # type: ignore[arg-type] # one of the module's constants

    assert table == [row.cells for row in rows_of(cut(written.getvalue(), places), separator)]


@given(text=NOISE, places=st.lists(st.integers(0, 60), max_size=6))
def test_any_text_gives_the_same_rows_and_lines_however_it_is_cut(text: str, places: list[int]) -> None:
    assert rows_of([text]) == rows_of(cut(text, places))


@given(text=NOISE)
def test_rows_come_in_the_order_of_their_lines(text: str) -> None:
    lines = [row.line for row in rows_of([text])]

    assert lines == sorted(set(lines))


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"])
def test_lines_end_in_any_way(line_end: str) -> None:
    text = line_end.join(["a,b", "c,d", "", "e,f"])

    assert rows_of([text]) == [Row(1, ["a", "b"]), Row(2, ["c", "d"]), Row(4, ["e", "f"])]


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_line_breaks_in_quotes_are_counted_and_kept(line_end: str, size: int) -> None:
    text = f'a,"1{line_end}{line_end}2"{line_end}b,3'
    pieces = [text[start : start + size] for start in range(0, len(text), size)]

    assert rows_of(pieces) == [Row(1, ["a", f"1{line_end}{line_end}2"]), Row(4, ["b", "3"])]


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ('a,"b ""c"" d",e', ["a", 'b "c" d', "e"]),
        ('"a,b","",c', ["a,b", "", "c"]),
        ('a 5" pipe,b', ['a 5" pipe', "b"]),
        ('"a"  ,b', ["a", "b"]),
        (",,", ["", "", ""]),
        ('"', None),
        ('""', [""]),
        ("a,", ["a", ""]),
    ],
)
def test_cells(text: str, cells: list[str] | None) -> None:
    found = rows_of([text])

    assert [cells] == [row.cells if isinstance(row, Row) else None for row in found]


@pytest.mark.parametrize("text", ['"a"b,c', '"a" "b",c'])
def test_text_after_a_closing_quote_breaks_its_row_only(text: str) -> None:
    broken, whole = rows_of([f"{text}\nd,e"])

    assert isinstance(broken, BrokenRow)
    assert "goes on after its closing quote" in broken.reason
    assert whole == Row(2, ["d", "e"])


def test_a_quote_that_is_never_closed_is_told_with_its_line() -> None:
    whole, broken = rows_of(['a,b\nc,"d\ne,f\n'])

    assert whole == Row(1, ["a", "b"])
    assert isinstance(broken, BrokenRow)
    assert broken.line == 2
    assert "A quote opens in line 2 and is never closed" in broken.reason


@pytest.mark.parametrize("long", ["x" * (MAX_ROW + 1), f'"{"x" * (MAX_ROW + 1)}"', "," * (MAX_ROW + 1)])
@pytest.mark.parametrize("size", [1000, 8 * MAX_ROW])
def test_a_row_that_is_too_long_breaks_only_itself(long: str, size: int) -> None:
    text = f"a,b\n{long}\nc,d\n"
    before, broken, after = rows_of([text[start : start + size] for start in range(0, len(text), size)])

    assert before == Row(1, ["a", "b"])
    assert isinstance(broken, BrokenRow)
    assert "longer than" in broken.reason
    assert after == Row(3, ["c", "d"])


def test_the_longest_row_is_read() -> None:
    cell = "x" * (MAX_ROW - 3)

    assert cells_of(f"a,{cell}\n") == [["a", cell]]
