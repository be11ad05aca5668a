"""Answers in their plainest form, read in one go: most of them are, and cost half as much so.

An answer is plain when all of it, and nothing else, came in one read: HTTP/1.1, a status that has a body, one
Content-Length, which is that of the body, and no other field that says how to read it. Each line is judged once and
remembered, because lines come again and again where whole heads do not: a date lasts a second, a kind for good.

Whatever is not plain, or only unusual, is left to `AnswerParser`. What is plain here reads the same there; a test holds
the two against each other.
"""

import re
from typing import TypeAlias, TypeVar

from atoll.http1.answer_parser import AnswerLimits
from atoll.http1.messages import Field, Fields

_END_OF_HEAD = b"\r\n\r\n"
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([2-5][0-9]{2}) [\x20-\x7e]*")
_FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)")
_LENGTH = re.compile(rb"[0-9]{1,15}")
_BODILESS = frozenset((204, 304))
_ABOUT_READING = frozenset((b"connection", b"proxy-connection", b"transfer-encoding", b"upgrade"))

K = TypeVar("K")

_LONGEST = 64 * 1024
"""Bytes of an answer: of a longer one, reading the head once more is the least."""

_LINES_REMEMBERED = 4096
_LONGEST_REMEMBERED = 128
"""Bytes of a line. Both are bounded, because a server can say anything."""

PlainAnswer: TypeAlias = tuple[int, Fields, bytes]
"""Status, fields (as `AnswerParser` gives them) and body."""

_NO_LENGTH = -1

_statuses: dict[bytes, int] = {}
_fields: dict[bytes, Field] = {}
_lengths: dict[bytes, tuple[Field, int]] = {}
"""What is known of lines, by the line."""


def plain_answer(data: bytes, limits: AnswerLimits) -> PlainAnswer | None:
    """The answer that `data` is, if it is plain and its head within the limits."""
    if len(data) > _LONGEST:
        return None
    head, end, body = data.partition(_END_OF_HEAD)
    if not end or len(head) + len(end) > limits.head:
        return None
    lines = head.split(b"\r\n")
    status_line = lines.pop(0)
    status = _statuses.get(status_line) or _learn_status(status_line)
    if not status or len(lines) > limits.fields:
        return None
    length = _NO_LENGTH
    fields: Fields = []
    known = _fields
    for line in lines:
        field = known.get(line)
        if field is None:
            found = _lengths.get(line) or _learn(line)
            if found is None:
                return None
            field, announced = found
            if announced != _NO_LENGTH:
                if length != _NO_LENGTH:
                    return None
                length = announced
        fields.append(field)
    return (status, fields, body) if length == len(body) else None


def _learn_status(line: bytes) -> int:
    """The status that a line tells; 0 when the answer is not plain."""
    parts = _STATUS_LINE.fullmatch(line)
    if parts is None or int(parts[1]) in _BODILESS:
        return 0
    status = int(parts[1])
    _remember(_statuses, line, status)
    return status


def _learn(line: bytes) -> tuple[Field, int] | None:
    """The field in a line, and the length that it tells of, if any; None when the answer is not plain."""
    parts = _FIELD_LINE.fullmatch(line)
    if parts is None:
        return None
    name, value = field = parts[1], parts[2]
    lowered = name.lower()
    if lowered == b"content-length":
        if _LENGTH.fullmatch(value) is None:
            return None
        _remember(_lengths, line, (field, int(value)))
        return field, int(value)
    if lowered in _ABOUT_READING:
        return None
    _remember(_fields, line, field)
    return field, _NO_LENGTH


def _remember(known: dict[bytes, K], line: bytes, what: K) -> None:
    if len(line) <= _LONGEST_REMEMBERED:
        if len(known) >= _LINES_REMEMBERED:
            known.clear()
        known[line] = what
