"""Who calls a service: a user with an access token, or another service with a token made for this one."""

from functools import lru_cache

from atoll.identity.principal import Principal
from atoll.identity.service_credential import SERVICE_TOKEN, ServiceTokenVerifier
from atoll.identity.signatures import TokenRefused, read_head
from atoll.identity.tokens import TokenVerifier
from atoll.problems import Unauthenticated


class ServiceAuthenticator:
    """An `Authenticator`. Leave out `users` where only services may call, `services` where only users may.

    Each kind of token has its own algorithm, type and key, so neither can pass for the other.
    """

    def __init__(self, *, users: TokenVerifier | None = None, services: ServiceTokenVerifier | None = None) -> None:
        self._users = users
        self._services = services

    async def authenticate(self, authorization: str) -> Principal:
        """The caller that the value of an `Authorization` header proves.

        Raises `Unauthenticated`, or `Unavailable` while no key is known to check a user's token with.
        """
        token = bearer_token(authorization)
        if _says_service(token.partition(".")[0]):
            if self._services:
                return self._services.verify(token)
        elif self._users:
            return await self._users.verify(token)
        raise Unauthenticated


def bearer_token(authorization: str) -> str:
    """The token of `Bearer <token>` (RFC 6750, section 2.1); raises `Unauthenticated` for anything else."""
    scheme, _, token = authorization.partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    return token


@lru_cache(maxsize=64)
def _says_service(head: str) -> bool:
    """Whether a token's first part, which is the same in most tokens, names the type of services' tokens."""
    try:
        return read_head(head).typ == SERVICE_TOKEN.token_type
    except TokenRefused:
        return False
