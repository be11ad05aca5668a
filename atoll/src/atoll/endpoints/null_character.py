"""The character U+0000 in what clients send: PostgreSQL cannot store it, and to programs in C it is the end of a text.

So it is refused wherever it may come in: by the routing table in paths, here in bodies and queries.
"""

import re

from atoll.problems import InvalidFields

_ESCAPED = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def refuse_null_in_json(text: bytes) -> None:
    """`InvalidFields` for JSON with that character in a string; JSON has no other way to write it than `\\u0000`."""
    if b"\\u0000" in text and _ESCAPED.search(text):
        raise InvalidFields.at("", "A text has the character U+0000, which no text may have.")


def refuse_null_in_query(query: bytes) -> None:
    """`InvalidFields` for a query with that character."""
    if b"%00" in query:
        raise InvalidFields.at("", "The query has the character U+0000, which no text may have.")
