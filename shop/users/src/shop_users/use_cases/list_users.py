"""Accounts, page by page."""

from dataclasses import dataclass

from atoll.paging import DEFAULT_LIMIT, Cursors, Limit
from atoll.storage import Database
from atoll.wire import StrictModel
from shop_contracts.users import UserPage
from shop_users.store import accounts
from shop_users.store.accounts import BEFORE_THE_FIRST, Position


class PageOfUsers(StrictModel):
    """Which page, newest first."""

    limit: Limit = DEFAULT_LIMIT
    cursor: str | None = None


_cursors = Cursors(Position)


@dataclass(frozen=True)
class ListUsers:
    database: Database

    async def __call__(self, wanted: PageOfUsers) -> UserPage:
        """`InvalidFields` for a cursor that no list gave out."""
        after = _cursors.read(wanted.cursor) if wanted.cursor is not None else BEFORE_THE_FIRST
        found = await self.database.read(lambda reading: accounts.page(reading, after, wanted.limit + 1))
        users = found[: wanted.limit]
        more = len(found) > wanted.limit
        return UserPage(items=users, next_cursor=_cursors.write(accounts.position_of(users[-1])) if more else None)
