"""From bytes to text: UTF-8 with or without a byte order mark, or UTF-16 with one.

What cannot be decoded becomes a lone surrogate, which no encoded text can hold: so it stays where it is, and
only the row that it is in is bad.
"""

import codecs
import re

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")

BROKEN_END = "\udcff"
"""Stands for the bytes of a character that the end cut through."""


class TextDecoder:
    """Decodes one file, piece by piece."""

    def __init__(self) -> None:
        self._start = b""
        self._decoder: codecs.IncrementalDecoder | None = None

    def decode(self, data: bytes, *, last: bool = False) -> str:
        """The next piece of text; a character that is cut in two comes whole with the piece after."""
        if self._decoder is None:
            self._start += data
            if len(self._start) < 2 and not last:
                return ""
            data = self._start
            self._decoder = _decoder_for(data[:2])
        try:
            return self._decoder.decode(data, last)
        except UnicodeDecodeError:
            return BROKEN_END


def is_text(text: str) -> bool:
    """Whether all of it could be decoded, and none of it is NUL, which no text has."""
    return _NOT_TEXT.search(text) is None


def printable(text: str) -> str:
    """The same with a question mark for what could not be decoded."""
    return _NOT_TEXT.sub("?", text)


def _decoder_for(mark: bytes) -> codecs.IncrementalDecoder:
    if mark in _UTF16_MARKS:
        return codecs.getincrementaldecoder("utf-16")("surrogatepass")
    return codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
