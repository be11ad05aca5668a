"""Users and the hashes of their passwords."""

from typing import Any, NamedTuple

from atoll.clock import from_millis, to_millis
from atoll.storage import Reading, Row, Transaction
from shop_contracts.users import EmailAddress, User, email_key
from shop_users.domain import ADMIN, Account

_FIND = "SELECT id, name, email, is_admin, created_at, updated_at FROM users WHERE id = $1"

_FIND_HASH = "SELECT password_hash FROM users WHERE id = $1"

_FIND_BY_EMAIL = (
    "SELECT id, name, email, is_admin, created_at, updated_at, password_hash FROM users WHERE email_key = $1"
)

_PAGE = """
    SELECT id, name, email, is_admin, created_at, updated_at FROM users
    WHERE (created_at, id) < ($1, $2)
    ORDER BY created_at DESC, id DESC
    LIMIT $3
"""

_ADD = """
    INSERT INTO users (id, name, email, email_key, password_hash, is_admin, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (email_key) DO NOTHING
"""

_CHANGE = """
    UPDATE users
    SET name = COALESCE($2, name), email = COALESCE($3, email), email_key = COALESCE($4, email_key),
        password_hash = COALESCE($5, password_hash), updated_at = $6
    WHERE id = $1 AND password_hash = COALESCE($7, password_hash)
    RETURNING id, name, email, is_admin, created_at, updated_at
"""

_MAKE_ADMIN = """
    UPDATE users SET is_admin = 1, password_hash = $2, updated_at = $3
    WHERE email_key = $1
    RETURNING id, name, email, is_admin, created_at, updated_at
"""

_DELETE = "DELETE FROM users WHERE id = $1 RETURNING id, name, email, is_admin, created_at, updated_at"


class Position(NamedTuple):
    """After which user a page begins."""

    created_at: int
    id: str


class Changes(NamedTuple):
    """The columns to change; None leaves one as it is."""

    name: str | None = None
    email: EmailAddress | None = None
    password_hash: str | None = None


BEFORE_THE_FIRST = Position(2**63 - 1, "")


async def find(reading: Reading, user_id: str) -> User | None:
    return _user_or_none(await reading.fetch_one(_FIND, user_id))


async def find_hash(reading: Reading, user_id: str) -> str | None:
    """What the user's password is checked against."""
    row = await reading.fetch_one(_FIND_HASH, user_id)
    return None if row is None else row[0]


async def find_by_email(reading: Reading, email: str) -> Account | None:
    """The account with this address, however it is written."""
    row = await reading.fetch_one(_FIND_BY_EMAIL, email_key(email))
    return None if row is None else Account(_user(row[:-1]), row[-1])


async def page(reading: Reading, after: Position, limit: int) -> list[User]:
    """At most `limit` users, newest first."""
    return [_user(row) for row in await reading.fetch_all(_PAGE, *after, limit)]


def position_of(user: User) -> Position:
    """Where a page that ends with `user` goes on."""
    return Position(to_millis(user.created_at), user.id)


async def add(tx: Transaction, account: Account) -> bool:
    """False when the address is taken."""
    user = account.user
    added = await tx.execute(
        _ADD,
        user.id,
        user.name,
        user.email,
        email_key(user.email),
        account.password_hash,
        int(ADMIN in user.roles),
        to_millis(user.created_at),
        to_millis(user.updated_at),
    )
    return added == 1


async def change(tx: Transaction, user_id: str, changes: Changes, now: int, *, checked_hash: str | None) -> User | None:
    """The user as it is now, or None. Raises `UniqueViolated` when the address is taken.

    With a `checked_hash` nothing is changed, and None given, when the password is another one by now.
    """
    email = changes.email
    row = await tx.fetch_one(
        _CHANGE,
        user_id,
        changes.name,
        email.text if email else None,
        email.key if email else None,
        changes.password_hash,
        now,
        checked_hash,
    )
    return _user_or_none(row)


async def make_admin(tx: Transaction, email: EmailAddress, password_hash: str, now: int) -> User | None:
    """Give the account the role and this password; None when there is none with the address."""
    return _user_or_none(await tx.fetch_one(_MAKE_ADMIN, email.key, password_hash, now))


async def delete(tx: Transaction, user_id: str) -> User | None:
    """The user as it was, or None; the refresh tokens go as well."""
    return _user_or_none(await tx.fetch_one(_DELETE, user_id))


def _user_or_none(row: Row | None) -> User | None:
    return None if row is None else _user(row)


def _user(row: Row) -> User:
    columns: tuple[Any, ...] = row
    user_id, name, email, is_admin, created_at, updated_at = columns
    return User(
        id=user_id,
        name=name,
        email=email,
        roles=(ADMIN,) if is_admin else (),
        created_at=from_millis(created_at),
        updated_at=from_millis(updated_at),
    )
