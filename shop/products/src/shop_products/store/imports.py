"""What the rows of imported files became."""

from typing import NamedTuple

from atoll.storage.database import Reading, Transaction
from shop_products.contention import Overtaken

_FIND = "SELECT product_id, import_id, line FROM imported_products WHERE handle = $1 AND options = $2"

# Not over what another import has written since `$6` was read.
_REMEMBER = """
    INSERT INTO imported_products (handle, options, product_id, import_id, line)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (handle, options) DO UPDATE
    SET product_id = excluded.product_id, import_id = excluded.import_id, line = excluded.line
    WHERE imported_products.product_id = $6
"""


class Key(NamedTuple):
    """What tells a row's product from all others, in every file."""

    handle: str
    options: str


class Imported(NamedTuple):
    """What became of a row: its product, which may be hidden by now, and where the row was last."""

    product_id: str
    import_id: str
    line: int


async def find(reading: Reading, key: Key) -> Imported | None:
    """What an earlier row of this key became."""
    row = await reading.fetch_one(_FIND, *key)
    return None if row is None else Imported(*row)


async def remember(tx: Transaction, key: Key, now: Imported, *, before: Imported | None) -> None:
    """Write what a row became, over what `find` returned; raises `Overtaken` when that does not hold any more."""
    if await tx.execute(_REMEMBER, *key, *now, before.product_id if before else "") == 0:
        raise Overtaken
