import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_products.importing.text import TextDecoder, is_text, printable

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16"]
MARKS = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}


def decoded(data: bytes, size: int) -> str:
    decoder = TextDecoder()
    pieces = [decoder.decode(data[start : start + size]) for start in range(0, len(data), size)]
    return "".join(pieces) + decoder.decode(b"", last=True)


def is_readable(data: bytes) -> bool:
    encoding = "utf-16" if data[:2] in MARKS.values() else "utf-8"
    try:
        return "\0" not in data.decode(encoding)
    except UnicodeDecodeError:
        return False


@given(
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff")),
    encoding=st.sampled_from(ENCODINGS),
    size=st.integers(1, 7),
)
def test_text_comes_back_whatever_its_encoding_and_pieces(text: str, encoding: str, size: int) -> None:
    assert text == decoded(text.encode(encoding), size)


@pytest.mark.parametrize(("encoding", "mark"), MARKS.items())
def test_utf_16_is_read_in_either_byte_order(encoding: str, mark: bytes) -> None:
    assert decoded(mark + "Blåbær".encode(encoding), 3) == "Blåbær"


@given(data=st.binary(), size=st.integers(1, 7))
def test_bytes_are_taken_for_text_only_when_they_are(data: bytes, size: int) -> None:
    text = decoded(data, size)

    assert is_text(text) == is_readable(data)
    assert is_text(printable(text))


@pytest.mark.parametrize("data", ["ü".encode("latin-1"), codecs.BOM_UTF16_LE + b"a", b"a\x00b"])
def test_broken_characters_stay_where_they_are(data: bytes) -> None:
    assert not is_text(decoded(b"before " + data if data[:1] != b"\xff" else data, 2))
    assert decoded(b"", 1) == ""


def test_text_around_what_is_broken_is_kept() -> None:
    assert printable(decoded(b"a\xfcb", 1)) == "a?b"
