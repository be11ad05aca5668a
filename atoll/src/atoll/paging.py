"""Lists in pages: `limit` says how many, and an opaque `cursor` after which row the next page begins.

A cursor holds the sort key of the last row that was seen, so pages stay right while rows come and go.
"""

import base64
import binascii
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

import msgspec

from atoll.problems import InvalidFields

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

Limit: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)]

Position = TypeVar("Position", bound=tuple[Any, ...])


class Cursors(Generic[Position]):
    """Writes a position, a NamedTuple of scalars, as a cursor, and reads it back."""

    def __init__(self, position_type: type[Position]) -> None:
        self._decoder: msgspec.json.Decoder[Position] = msgspec.json.Decoder(position_type)

    def write(self, position: Position) -> str:
        """The cursor: letters, digits, `-` and `_`."""
        return base64.urlsafe_b64encode(msgspec.json.encode(position)).rstrip(b"=").decode()

    def read(self, cursor: str) -> Position:
        """The position; `InvalidFields` for what `write` has not written."""
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            position = self._decoder.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _not_ours() from error
        if not all(map(_can_be_stored, position)):
            raise _not_ours()
        return position


def _can_be_stored(value: object) -> bool:
    """Whether a column can hold the value: anybody can write a cursor, and databases are asked with what is in it."""
    match value:
        case int():
            return -(2**63) <= value < 2**63
        case str():
            return "\0" not in value
        case _:
            return True


def _not_ours() -> InvalidFields:
    return InvalidFields.at("cursor", "The cursor is not one that a list gave out.")
