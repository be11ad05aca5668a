"""From the SQL of the port to the SQL of SQLite, once for each text."""

from functools import lru_cache

from atoll.storage.statements import TOKENS, refuse_control


@lru_cache(maxsize=4096)
def native(sql: str) -> str:
    """`sql` with `?1` for each `$1`; the rest, quoted text and comments too, as it was.

    StatementFailed when it is more than one statement, or one that would act on the transaction itself.
    """
    refuse_control(sql)
    return TOKENS.sub(lambda token: f"?{token['parameter']}" if token["parameter"] else token[0], sql)
