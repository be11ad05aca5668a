"""Families of refresh tokens, each begun by a sign-in."""

from typing import NamedTuple

from atoll.storage import Transaction

# Changes nothing, but from here on to the end of the transaction nobody else changes the password either.
_HOLD_ACCOUNT = "UPDATE users SET password_hash = password_hash WHERE id = $1 AND password_hash = $2"

_ADD = "INSERT INTO refresh_tokens (digest, family, user_id, expires_at) VALUES ($1, $2, $3, $4)"

_USE = """
    UPDATE refresh_tokens SET used_at = $2
    WHERE digest = $1 AND used_at IS NULL AND expires_at > $2
    RETURNING family, user_id
"""

_FAMILY = "SELECT family FROM refresh_tokens WHERE digest = $1"

_END_FAMILY = "DELETE FROM refresh_tokens WHERE family = $1"

_END_ALL = "DELETE FROM refresh_tokens WHERE user_id = $1"

_FORGET_EXPIRED = "DELETE FROM refresh_tokens WHERE user_id = $1 AND expires_at <= $2"


class Used(NamedTuple):
    """Whose token it was."""

    family: str
    user_id: str


async def begin_family(
    tx: Transaction, digest: str, family: str, user_id: str, *, expires_at: int, password_hash: str
) -> bool:
    """The first token of a family; False when the password has been changed, or the account deleted, meanwhile."""
    if await tx.execute(_HOLD_ACCOUNT, user_id, password_hash) == 0:
        return False
    await add(tx, digest, Used(family, user_id), expires_at=expires_at)
    return True


async def add(tx: Transaction, digest: str, used: Used, *, expires_at: int) -> None:
    """The next token of a family."""
    await tx.execute(_ADD, digest, used.family, used.user_id, expires_at)


async def use(tx: Transaction, digest: str, now: int) -> Used | None:
    """Use the token up; None when it is unknown, expired, or used before."""
    row = await tx.fetch_one(_USE, digest, now)
    return None if row is None else Used(*row)


async def end_family_of(tx: Transaction, digest: str) -> None:
    """No token of that family is good any more."""
    row = await tx.fetch_one(_FAMILY, digest)
    if row is not None:
        await _delete_every(tx, _END_FAMILY, row[0])


async def end_all_of(tx: Transaction, user_id: str) -> None:
    """Every sign-in of the user ends with its access token. Change the password first: then none begins meanwhile."""
    await _delete_every(tx, _END_ALL, user_id)


async def forget_expired(tx: Transaction, user_id: str, now: int) -> None:
    """Whatever of the user's is of no use any more."""
    await tx.execute(_FORGET_EXPIRED, user_id, now)


async def _delete_every(tx: Transaction, sql: str, value: str) -> None:
    """Again while there are any: one that was used meanwhile was waited for, and its next one not seen."""
    while await tx.execute(sql, value):
        pass
