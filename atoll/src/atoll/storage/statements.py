"""The SQL of the port, read just far enough to see what it is."""

import re
from functools import cache

from atoll.storage.database import StatementFailed

TOKENS = re.compile(
    r"""
      (?P<skipped> '(?:[^']|'')*' | "(?:[^"]|"")*" | \$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$ | --[^\n]* | /\*.*?\*/ )
    | \$(?P<parameter>\d+)
    | (?P<end>;)
    | (?P<word>[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)


@cache
def listing(sql: str, count: int, *, after: int = 0) -> str:
    """`sql` with so many parameters in place of its `{}`, such as `$2, $3, $4`, that come `after` its other ones."""
    return sql.format(", ".join(f"${number}" for number in range(after + 1, after + 1 + count)))


_OF_THE_TRANSACTION = ("BEGIN", "COMMIT", "END", "RELEASE", "ROLLBACK", "SAVEPOINT", "START")
_OF_SQLITE = ("ATTACH", "DETACH", "PRAGMA", "VACUUM")
_OF_POSTGRES = ("ABORT", "COPY", "DEALLOCATE", "DISCARD", "LISTEN", "PREPARE", "RESET", "SET", "UNLISTEN")
_NOT_IN_A_BODY = frozenset([*_OF_THE_TRANSACTION, *_OF_SQLITE, *_OF_POSTGRES])


def refuse_control(sql: str) -> None:
    """StatementFailed when it is more than one statement, or one that acts on the transaction or the connection."""
    first_word, ended = "", False
    for token in TOKENS.finditer(sql):
        if token["skipped"]:
            continue
        if ended:
            raise StatementFailed(f"One statement at a time, please, not: {sql}")
        ended = token["end"] is not None
        first_word = first_word or (token["word"] or "").upper()
    if first_word in _NOT_IN_A_BODY:
        raise StatementFailed(f"{first_word} is not for a body, whose transaction ends when it returns.")
