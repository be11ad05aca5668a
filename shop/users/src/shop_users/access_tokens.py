"""Access tokens, each signed with the key whose turn it is when the token is issued."""

from collections.abc import Iterable

from atoll.clock import Clock, to_millis
from atoll.identity.keys import KeyRing
from atoll.identity.tokens import TOKEN_LIFETIME, TokenIssuer
from atoll.observability.logging import get_logger
from atoll.problems import Unavailable
from atoll.storage import Database, DatabaseUnavailable
from shop_users.store import signing_keys
from shop_users.token_keys import TokenKey, signing

log = get_logger()


class AccessTokens:
    """Asks the database for the key each time, so that a withdrawn one signs nothing more at any replica."""

    lifetime = TOKEN_LIFETIME
    """Seconds that a token lives."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._key: TokenKey | None = None
        self._issuer: TokenIssuer | None = None

    async def issue(self, user_id: str, roles: Iterable[str] = ()) -> str:
        """A token for the user; `Unavailable` while there is no key to sign it with."""
        await self._look()
        if self._issuer is None:
            raise Unavailable("Nobody can be signed in just now; please try again.", retry_after=5)
        return self._issuer.issue(user_id, roles)

    async def _look(self) -> None:
        """Find out whose turn it is. While the database is away, the key that was last seen goes on."""
        try:
            keys = await self._database.read(signing_keys.every)
        except DatabaseUnavailable as error:
            log.warning("cannot look for the key that signs", reason=str(error))
            return
        key = signing(keys, to_millis(self._clock.now()))
        if key is not None and (self._key is None or key.private_key != self._key.private_key):
            self._use(key)

    def _use(self, key: TokenKey) -> None:
        self._key = key
        self._issuer = TokenIssuer(KeyRing([key.signing_key]), lifetime=self.lifetime, clock=self._clock)
        log.info("access tokens are signed with this key now", kid=key.kid)
