"""What stands between two cells: a comma, a semicolon or a tab, guessed from the header."""

import re

SEPARATORS = (",", ";", "\t")

_QUOTED = re.compile(r'"[^"]*+"')


def separator_in(header: str) -> str:
    """The separator that the header has most of, outside of quotes; a comma when it has none."""
    bare = _QUOTED.sub("", header)
    return max(SEPARATORS, key=bare.count)
