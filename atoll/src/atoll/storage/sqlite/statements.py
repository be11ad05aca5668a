"""From the SQL of the port to the SQL of SQLite, once for each text."""

import re
from functools import lru_cache

from atoll.storage.database import StatementFailed

_TOKENS = re.compile(
    r"""
      (?P<skipped> '(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ )
    | \$(?P<parameter>\d+)
    | (?P<end>;)
    | (?P<word>[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)

_TRANSACTION = ("BEGIN", "COMMIT", "END", "RELEASE", "ROLLBACK", "SAVEPOINT", "START")
_NOT_IN_A_BODY = frozenset([*_TRANSACTION, "ATTACH", "DETACH", "PRAGMA", "VACUUM"])


@lru_cache(maxsize=4096)
def native(sql: str) -> str:
    """`sql` with `?1` for each `$1`; the rest, quoted text and comments too, as it was.

    StatementFailed when it is more than one statement, or one that would act on the transaction itself.
    """
    _refuse_control(sql)
    return _TOKENS.sub(lambda token: f"?{token['parameter']}" if token["parameter"] else token[0], sql)


def _refuse_control(sql: str) -> None:
    first_word, ended = "", False
    for token in _TOKENS.finditer(sql):
        if token["skipped"]:
            continue
        if ended:
            raise StatementFailed(f"One statement at a time, please, not: {sql}")
        ended = token["end"] is not None
        first_word = first_word or (token["word"] or "").upper()
    if first_word in _NOT_IN_A_BODY:
        raise StatementFailed(f"{first_word} is not for a body, whose transaction ends when it returns.")
