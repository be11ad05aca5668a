"""HTTP/1.1 messages as bytes: fields looked up and checked, bodies framed (RFC 9112).

Fields travel as they came, a list of (name, value) pairs of bytes, because that is what costs least; names
keep their case, values may have white space at their end.
"""

import re
from collections.abc import Sequence
from typing import TypeAlias

Field: TypeAlias = tuple[bytes, bytes]
Fields: TypeAlias = list[Field]

LAST_CHUNK = b"0\r\n\r\n"
"""Ends a chunked body."""

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_TARGET = re.compile(rb"/[\x21-\x22\x24-\x7e]*")


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of a chunked body; nothing for no data: an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def find(fields: Sequence[Field], name: bytes) -> bytes | None:
    """The value of the first field called `name` (in lower case), without white space around it."""
    for candidate, value in fields:
        if len(candidate) == len(name) and candidate.lower() == name:
            return value.strip(b" \t")
    return None


def is_token(name: bytes) -> bool:
    """Whether this can be a method or the name of a field (RFC 9110, section 5.6.2)."""
    return _TOKEN.fullmatch(name) is not None


def is_field_value(value: bytes) -> bool:
    """Whether this can be the value of a field: no line ends, no NUL, no other control but the tab."""
    return _FIELD_VALUE.fullmatch(value) is not None


def is_target(target: bytes) -> bool:
    """Whether this can be a path with its query: a slash, then printable ASCII, no space, no fragment."""
    return _TARGET.fullmatch(target) is not None
