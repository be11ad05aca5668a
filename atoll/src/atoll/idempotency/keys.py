"""The header: a string of draft-ietf-httpapi-idempotency-key-header (RFC 9651, section 3.3.3), or the same bare."""

import re
from typing import Annotated, TypeAlias

from msgspec import Meta

from atoll.endpoints import Header
from atoll.problems import InvalidFields

HEADER = "Idempotency-Key"

_MAX_LENGTH = 255
_WRITTEN = rf'^("([ !#-\[\]-~]|\\["\\]){{1,{_MAX_LENGTH}}}"|[!#-~]{{1,{_MAX_LENGTH}}})$'

IdempotencyKey: TypeAlias = Annotated[str | None, Header(HEADER), Meta(extra_json_schema={"pattern": _WRITTEN})]
"""What a handler is given of it, as it was sent."""

_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE = re.compile(r"[\x21\x23-\x7e]+")
_ESCAPED = re.compile(r"\\(.)")


def parse_key(header: str) -> str:
    """The key, without its quotes; `InvalidFields` when it is empty, longer than 255 or not visible ASCII."""
    text = header.strip(" \t")
    quoted = _QUOTED.fullmatch(text)
    key = _ESCAPED.sub(r"\1", quoted[1]) if quoted else text
    if not 0 < len(key) <= _MAX_LENGTH or not (quoted or _BARE.fullmatch(text)):
        raise InvalidFields.at(HEADER, f"An {HEADER} is 1 to {_MAX_LENGTH} visible ASCII characters, quoted or bare.")
    return key
