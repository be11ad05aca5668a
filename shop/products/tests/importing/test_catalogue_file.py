from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.problems import UnsupportedMediaType
from shop_products.importing.catalogue_file import MAX_HEADER, CatalogueFile
from shop_products.importing.columns import HeaderInvalid
from shop_products.importing.found import Found, Mistaken, Variant

ROWS = [["Handle", "Title", "Body (HTML)", "Variant Price"], ["blå", "Blåbær, tørret", "<p>A\r\nB</p>", "9.99"]]
NOISE = st.text(st.sampled_from('",;\t\r\n ab19.<p>&ü\udcff\x00'), max_size=80)


def read(pieces: Sequence[bytes]) -> list[Found]:
    file = CatalogueFile()
    return [found for piece in pieces for found in file.feed(piece)] + file.end()


def table(separator: str, line_end: str) -> str:
    return line_end.join(separator.join(f'"{cell}"' for cell in row) for row in ROWS)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("size", [1, 10_000])
def test_a_file_is_read_in_any_form(separator: str, line_end: str, encoding: str, size: int) -> None:
    data = table(separator, line_end).encode(encoding)
    (found,) = read([data[start : start + size] for start in range(0, len(data), size)])

    assert isinstance(found, Variant)
    assert (found.line, found.handle) == (2, "blå")
    assert found.product.name == "Blåbær, tørret"
    assert found.product.description == "A B"


def test_empty_lines_before_the_header_are_passed_over_and_counted() -> None:
    (found,) = read([b"\n\r\nHandle,Title,Variant Price\npot,Pot,1\n"])

    assert found.line == 4


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "The body is empty"),
        (b"\r\n\n", "The body is empty"),
        (b"\xef\xbb\xbf", "The body is empty"),
        (b"Name,Price\nPot,1\n", "lacks the columns Handle, Title"),
        (b"pot,Pot,9.99", "lacks the columns Handle, Title, Variant Price"),
        (b'"Handle', "The first row, which must name the columns, cannot be read"),
        (b"x," * MAX_HEADER, "The first line is longer than"),
        (b"\n" * (MAX_HEADER + 1), "The first line is longer than"),
    ],
)
def test_without_a_header_nothing_is_read(data: bytes, words: str) -> None:
    with pytest.raises(HeaderInvalid, match=words):
        read([data])


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04\x14\x00\x06\x00", b"\x89PNG\r\n\x1a\n", "Händel,Titel".encode("latin-1"), b"\x00" * 10]
)
@pytest.mark.parametrize("tail", [b"", b"\nrows\n", b"x" * MAX_HEADER])
def test_what_is_no_text_is_refused(data: bytes, tail: bytes) -> None:
    with pytest.raises(UnsupportedMediaType, match="no text"):
        read([data + tail])


def test_a_quote_that_is_never_closed_costs_only_what_is_inside_it() -> None:
    first, broken = read([b'Handle,Title,Variant Price\npot,Pot,1\njug,"Jug,2\n', b"cup,Cup,3\n" * 300_000])

    assert isinstance(first, Variant)
    assert isinstance(broken, Mistaken)
    assert (broken.line, broken.handle) == (3, "jug")


@given(data=st.binary(max_size=200), cut=st.integers(0, 200))
def test_bytes_without_a_header_are_refused_whatever_they_are(data: bytes, cut: int) -> None:
    with pytest.raises((HeaderInvalid, UnsupportedMediaType)):
        read([data[:cut], data[cut:]])


@given(noise=NOISE, size=st.integers(1, 30), encoding=st.sampled_from(["utf-8", "utf-8-sig"]))
def test_any_rows_are_found_or_mistaken_however_they_are_cut(noise: str, size: int, encoding: str) -> None:
    header = ",".join(ROWS[0])
    data = f"{header}\npot,Pot,,1\n{noise}".encode(encoding, "surrogateescape")
    whole = read([data])
    lines = [found.line for found in whole]

    assert whole == read([data[start : start + size] for start in range(0, len(data), size)])
    assert lines == sorted(set(lines))
    assert isinstance(whole[0], Variant)
