"""Tell everyone with which keys access tokens are checked."""

from dataclasses import dataclass

from atoll.identity.keys import JwksDocument
from atoll.storage import Database
from shop_users.store import signing_keys


@dataclass(frozen=True)
class PublishKeys:
    database: Database

    async def __call__(self) -> JwksDocument:
        """The public halves, as the database has them at this moment: what is withdrawn is in no later answer."""
        keys = await self.database.read(signing_keys.every)
        return JwksDocument(tuple(key.signing_key.public.as_jwk() for key in keys))
