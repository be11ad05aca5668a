"""What signs access tokens, as JSON; only this service can read it."""

from atoll.identity.keys import SigningKey
from atoll.storage import Reading, Transaction
from shop_users.token_keys import TokenKey

_TAKE_TURN = "UPDATE signing_key_changes SET changes = changes + 1 WHERE id = 1"

_EVERY = "SELECT number, private_key, published_at, signs_from FROM signing_keys ORDER BY number"

_ADD = """
    INSERT INTO signing_keys (number, private_key, published_at, signs_from)
    SELECT COALESCE(MAX(number), 0) + 1, $1, $2, $3 FROM signing_keys
"""


async def take_turn(tx: Transaction) -> None:
    """Let nobody else change keys until this transaction is over: what it reads from here on stays true."""
    await tx.execute(_TAKE_TURN)


async def every(reading: Reading) -> list[TokenKey]:
    """All keys that are published."""
    return [TokenKey(*row) for row in await reading.fetch_all(_EVERY)]


async def add(tx: Transaction, key: SigningKey, published_at: int, signs_from: int | None) -> None:
    """Publish a key."""
    await tx.execute(_ADD, key.to_json(), published_at, signs_from)


async def let_sign(tx: Transaction, number: int, signs_from: int) -> None:
    """Say when a key begins to sign."""
    await tx.execute("UPDATE signing_keys SET signs_from = $2 WHERE number = $1", number, signs_from)


async def remove(tx: Transaction, number: int) -> None:
    """Publish a key no more, and forget it."""
    await tx.execute("DELETE FROM signing_keys WHERE number = $1", number)
