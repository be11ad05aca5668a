"""The other services of the system, as one of them sees them: how they are found, called and recognised.

neighbours = Neighbours("orders", settings, "users", "products")
products = neighbours.client("products")
authenticator = neighbours.authenticator(keys_of="users")
Service("orders", …, authenticator=authenticator, resources=[neighbours, database])
"""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from prometheus_client import CollectorRegistry

from atoll.calls import ServiceClient
from atoll.calls.attempt_log import log_failure
from atoll.calls.metrics import CallMetrics
from atoll.clock import Clock
from atoll.discovery.configured import directory_for
from atoll.identity.jwks import JwksKeySource
from atoll.identity.keys import JWKS_PATH, JwksDocument
from atoll.identity.service_authenticator import ServiceAuthenticator
from atoll.identity.service_credential import ServiceCredential, ServiceTokenVerifier
from atoll.identity.tokens import TokenVerifier
from atoll.settings import ServiceSettings


class Neighbours:
    """What `service` knows of the services it names, by its settings (`users_url` and its like, or the registry).

    Ask for clients and authenticators first, then enter it as an async context manager: what was asked for
    works within. Entering never waits for another service.
    """

    def __init__(self, service: str, settings: ServiceSettings, *others: str, clock: Clock | None = None) -> None:
        self._service = service
        self._secret = settings.service_secret.reveal()
        self._clock = clock
        self._calls = settings.calls
        self._credential = ServiceCredential(self._secret, service, clock=clock)
        self._directory = directory_for(settings, *others, clock=clock)
        self._clients: dict[str, ServiceClient] = {}
        self._metrics: CallMetrics | None = None
        self._resources: list[Any] = [self._directory]
        self._held = AsyncExitStack()

    def client(self, other: str) -> ServiceClient:
        """Calls the service `other`, with this one's credential, as the settings say (`[calls]`); always the same."""
        if other not in self._clients:
            self._clients[other] = self._new_client(other)
        return self._clients[other]

    def measure_in(self, registry: CollectorRegistry) -> None:
        """Put the numbers of all calls into `registry`; a `Service` asks for it."""
        self._metrics = CallMetrics(registry)
        for client in self._clients.values():
            self._metrics.watch(client)

    def authenticator(self, *, keys_of: str) -> ServiceAuthenticator:
        """Knows services by the system's secret, and users by the token keys that `keys_of` publishes."""
        return ServiceAuthenticator(
            users=TokenVerifier(self._token_keys(keys_of), clock=self._clock),
            services=ServiceTokenVerifier(self._secret, self._service, clock=self._clock),
        )

    def _new_client(self, other: str) -> ServiceClient:
        client = ServiceClient(
            other,
            self._directory,
            credential=self._credential.token_for,
            policy=self._calls.policy_for(other),
            observers=[log_failure],
            clock=self._clock,
        )
        if self._metrics is not None:
            self._metrics.watch(client)
        self._resources.append(client)
        return client

    def _token_keys(self, issuer: str) -> JwksKeySource:
        client = self.client(issuer)
        keys = JwksKeySource(lambda: client.get(JWKS_PATH, into=JwksDocument), clock=self._clock)
        self._resources.append(keys)
        return keys

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as entered:
            for resource in self._resources:
                await entered.enter_async_context(resource)
            self._held = entered.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._held.aclose()

    def __repr__(self) -> str:
        return f"Neighbours(of={self._service!r}, {self._directory!r})"
