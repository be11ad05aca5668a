"""The lines of a history. Each is a JSON object whose `line` says what it tells.

A request is `sent` before its first byte leaves, and `answered` or `unanswered` after that; one that is only sent was
in hand when the client died. The order of the lines is the order in which the client did and saw these things.
"""

from typing import TypeAlias

import msgspec


class Began(msgspec.Struct, frozen=True, kw_only=True, tag_field="line", tag="began"):
    """A client begins, `at` milliseconds of Unix time; the numbers of requests start anew."""

    system: str
    at: int


class Sent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="line", tag="sent"):
    """Request `number` leaves. `by` is the id of the signed-in user; passwords and tokens are left out."""

    number: int
    at: int
    by: str = ""
    method: str
    path: str
    key: str = ""
    body: str = ""


class Answered(msgspec.Struct, frozen=True, kw_only=True, tag_field="line", tag="answered"):
    """Request `number` was answered; `body` is the text as it came."""

    number: int
    at: int
    status: int
    body: str


class Unanswered(msgspec.Struct, frozen=True, kw_only=True, tag_field="line", tag="unanswered"):
    """No whole answer came to request `number`; it may have had its effect all the same."""

    number: int
    at: int
    why: str


Line: TypeAlias = Began | Sent | Answered | Unanswered

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Line).decode
