"""Tell that there is a user, or that one is gone, in the transaction that makes it so."""

from atoll.events import Outbox
from atoll.storage import Transaction
from shop_contracts.events import USER_DELETED, USER_REGISTERED, UserDeleted, UserRegistered
from shop_contracts.users import User


async def announce_registered(tx: Transaction, outbox: Outbox, user: User) -> None:
    """The first event of every user."""
    await outbox.announce(tx, USER_REGISTERED, subject=user.id, sequence=1, data=UserRegistered(user_id=user.id))


async def announce_deleted(tx: Transaction, outbox: Outbox, user: User) -> None:
    """The second and last."""
    await outbox.announce(tx, USER_DELETED, subject=user.id, sequence=2, data=UserDeleted(user_id=user.id))
