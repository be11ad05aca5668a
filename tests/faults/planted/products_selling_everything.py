"""products, which neither looks whether there is enough nor has a CHECK that would refuse what is not there."""

import runpy
from collections.abc import Sequence
from dataclasses import replace

from atoll.storage import Migration
from atoll.storage.sqlite import SqliteDatabase
from shop_products import domain

migrate = SqliteDatabase.migrate


async def migrate_without_check(self: SqliteDatabase, migrations: Sequence[Migration]) -> list[Migration]:
    return await migrate(
        self, [replace(each, sql=each.sql.replace("CHECK (available >= 0)", "")) for each in migrations]
    )


SqliteDatabase.migrate = migrate_without_check  # type: ignore[method-assign]  # the bug
domain._refuse_short = lambda *_: None

if __name__ == "__main__":
    runpy.run_module("shop_products", run_name="__main__")
