"""Changes of the keys that sign access tokens, each a part of a transaction that has taken its turn."""

from atoll.identity.keys import SigningKey
from atoll.storage import Transaction
from shop_users.store import signing_keys
from shop_users.token_keys import TokenKey, outlived, signing, standing_ready, waiting


async def fill_places(tx: Transaction, now: int) -> None:
    """See to it that one key signs and another stands ready."""
    if signing(await signing_keys.every(tx), now) is None:
        await sign_with_next(tx, now)
    if standing_ready(await signing_keys.every(tx), now) is None:
        await signing_keys.add(tx, SigningKey.generate(), published_at=now, signs_from=None)


async def sign_with_next(tx: Transaction, now: int) -> None:
    """Sign with the key that has waited longest, or with a new one, from now on, whether everyone knows it or not."""
    ready = waiting(await signing_keys.every(tx), now)
    if ready:
        await signing_keys.let_sign(tx, ready[0].number, now)
    else:
        await signing_keys.add(tx, SigningKey.generate(), published_at=now, signs_from=now)


async def begin_rotation(tx: Transaction, now: int) -> TokenKey:
    """The key that stands ready, which is to sign as soon as everyone knows it, unless its moment is fixed already."""
    ready = standing_ready(await signing_keys.every(tx), now)
    assert ready is not None  # noqa: S101 - the places were filled before
    if ready.signs_from is None:
        await signing_keys.let_sign(tx, ready.number, max(now, ready.may_sign_from))
    await fill_places(tx, now)
    return next(key for key in await signing_keys.every(tx) if key.number == ready.number)


async def remove_outlived(tx: Transaction, now: int) -> None:
    """Publish no more the keys whose every token has expired."""
    for key in outlived(await signing_keys.every(tx), now):
        await signing_keys.remove(tx, key.number)


async def withdraw(tx: Transaction, key: TokenKey, now: int) -> None:
    """Publish the key no more, and sign with another one if it was the one that signs."""
    signed = signing(await signing_keys.every(tx), now)
    await signing_keys.remove(tx, key.number)
    if signed == key:
        await sign_with_next(tx, now)
    await fill_places(tx, now)
