"""Callers for tests: real tokens, signed with keys of the test's own, for users and services."""

from atoll.clock import Clock
from atoll.identity.keys import KeyRing, SigningKey
from atoll.identity.service_authenticator import ServiceAuthenticator
from atoll.identity.service_credential import ServiceCredential, ServiceTokenVerifier
from atoll.identity.tokens import TokenIssuer, TokenVerifier
from atoll.settings import DEVELOPMENT_SECRET

_SECRET = DEVELOPMENT_SECRET.reveal()


class Callers:
    """Makes the `Authorization` headers of callers, and the authenticators of services that know them.

    Give every service of one test the same `Callers`, or in another process those of the same `key`; the secret is
    the one that their settings have by default. Each user's token is good for `lifetime` seconds.
    """

    def __init__(self, *, clock: Clock | None = None, lifetime: int = 86_400, key: SigningKey | None = None) -> None:
        self._clock = clock
        self.key = key or SigningKey.generate()
        self._keys = KeyRing([self.key])
        self._issuer = TokenIssuer(self._keys, lifetime=lifetime, clock=clock)

    def user(self, subject: str, *roles: str) -> dict[str, str]:
        """The headers of a signed-in user."""
        return {"Authorization": f"Bearer {self._issuer.issue(subject, roles)}"}

    def admin(self, subject: str = "admin") -> dict[str, str]:
        """The headers of a user with the role admin."""
        return self.user(subject, "admin")

    def service(self, name: str, *, to: str) -> dict[str, str]:
        """The headers of the service `name` when it calls the service `to`."""
        return {"Authorization": f"Bearer {self.credential(name).token_for(to)}"}

    def credential(self, name: str) -> ServiceCredential:
        """What the service `name` proves itself with."""
        return ServiceCredential(_SECRET, name, clock=self._clock)

    def authenticator(self, service: str) -> ServiceAuthenticator:
        """How the service `service` finds out who calls."""
        return ServiceAuthenticator(
            users=TokenVerifier(self._keys, clock=self._clock),
            services=ServiceTokenVerifier(_SECRET, service, clock=self._clock),
        )
