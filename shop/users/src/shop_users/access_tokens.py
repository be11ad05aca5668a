"""Access tokens, each signed with the key whose turn it is when the token is issued."""

from collections.abc import Iterable

from atoll.clock import Clock, to_millis
from atoll.identity.keys import KeyRing, SigningKey
from atoll.identity.tokens import TOKEN_LIFETIME, TokenIssuer
from atoll.observability.logging import get_logger
from atoll.problems import Unavailable
from atoll.storage import Database, DatabaseUnavailable
from shop_users.store import signing_keys

log = get_logger()


class AccessTokens:
    """Asks the database for the key each time, so that a withdrawn one signs nothing more at any replica."""

    lifetime = TOKEN_LIFETIME
    """Seconds that a token lives."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._private_key = ""
        self._issuer: TokenIssuer | None = None

    async def issue(self, user_id: str, roles: Iterable[str] = ()) -> str:
        """A token for the user; `Unavailable` while there is no key to sign it with."""
        await self._look()
        if self._issuer is None:
            raise Unavailable("Nobody can be signed in just now; please try again.", retry_after=5)
        return self._issuer.issue(user_id, roles)

    async def _look(self) -> None:
        """Find out whose turn it is. While the database is away, the key that was last seen goes on."""
        now = to_millis(self._clock.now())
        try:
            private_key = await self._database.read(lambda reading: signing_keys.signing(reading, now))
        except DatabaseUnavailable as error:
            log.warning("cannot look for the key that signs", reason=str(error))
            return
        if private_key is not None and private_key != self._private_key:
            self._use(private_key)

    def _use(self, private_key: str) -> None:
        key = SigningKey.from_json(private_key)
        self._private_key = private_key
        self._issuer = TokenIssuer(KeyRing([key]), lifetime=self.lifetime, clock=self._clock)
        log.info("access tokens are signed with this key now", kid=key.kid)
