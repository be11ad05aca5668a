"""The port to authentication: who is behind the `Authorization` header of a request."""

from typing import Protocol

from atoll.identity.principal import Principal


class Authenticator(Protocol):
    """Verifies credentials; asked once for each request whose handler wants to know the caller."""

    async def authenticate(self, authorization: str) -> Principal:
        """The caller that the header's value proves, such as `Bearer eyJ…`.

        Raises `problems.Unauthenticated` when it proves nobody (malformed, expired, forged, another
        audience), and `problems.Unavailable` when that cannot be found out now, as without any keys. Nobody
        is let in by mistake: an error of any other kind is answered as an internal one.
        """
