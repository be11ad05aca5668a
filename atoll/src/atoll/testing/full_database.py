"""A database whose disk is full when it is told to be."""

from typing import TypeVar

from atoll.storage import CommitFailed, Database
from atoll.storage.database import TransactionBody
from atoll.storage.wrapping import WrappingDatabase

T = TypeVar("T")


class FullDatabase(WrappingDatabase):
    """While it `is_full`, no transaction is committed, as on a server whose disk is; everything can be read."""

    def __init__(self, wrapped: Database) -> None:
        super().__init__(wrapped)
        self.is_full = True

    async def transaction(self, body: TransactionBody[T]) -> T:
        if self.is_full:
            raise CommitFailed("Nothing was changed: could not extend file: No space left on device")
        return await super().transaction(body)
