"""One Idempotency-Key, one effect, and its answer again, byte for byte, for 24 hours.

A handler asks for the header and hands its work over:

    async def post_products(self, new: NewProduct, admin: Admin, key: IdempotencyKey = None) -> Reply[Product]:
        asked = Asked("POST /products", admin, key, new)
        return await self.once_per_key(asked, lambda once: self.add_product(new, once=once), _created)

and the use case lets `once` have a look at its transaction: `await self.database.transaction(once(add))`. So what is
remembered and what it is remembered of are durable together, or neither is. The table is a migration of the
service's own (`kept_answers.TABLE`); `Forgetting` is a job beside it.
"""

from atoll.idempotency.forgetting import Forgetting
from atoll.idempotency.kept_answers import KeptAnswer
from atoll.idempotency.keyed_request import KEPT_FOR, Asked, KeyedRequest, KeyUsedDifferently
from atoll.idempotency.keys import IdempotencyKey, parse_key
from atoll.idempotency.once import Once, OncePerKey, every_time

__all__ = [
    "KEPT_FOR",
    "Asked",
    "Forgetting",
    "IdempotencyKey",
    "KeptAnswer",
    "KeyUsedDifferently",
    "KeyedRequest",
    "Once",
    "OncePerKey",
    "every_time",
    "parse_key",
]
