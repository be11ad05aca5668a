"""The registry, joined: who is running where, kept in memory."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from atoll.clock import Clock, SystemClock
from atoll.discovery.registry_api import REGISTRY
from atoll.discovery.resolving import Resolve, resolve
from atoll.identity.service_authenticator import ServiceAuthenticator
from atoll.identity.service_credential import ServiceTokenVerifier
from atoll.ids import NewId, uuid7
from atoll.lifecycle import Program, UvicornListener
from atoll.observability.health import Health
from atoll.registry.announcers import Announcers
from atoll.registry.http_check import HttpCheck
from atoll.registry.leases import Leases
from atoll.registry.registry import Check, Registry
from atoll.registry.routes import RegistryRoutes
from atoll.registry.settings import RegistrySettings
from atoll.registry.sharing import OpenStore, Sharing
from atoll.service import Service

if TYPE_CHECKING:
    from atoll.registry.valkey_list import ValkeyList


def create_registry(
    settings: RegistrySettings,
    *,
    clock: Clock | None = None,
    new_id: NewId | None = None,
    check: Check | None = None,
    resolve: Resolve = resolve,
) -> Program:
    """The registry as a service like any other; `check` decides when a newcomer is listed.

    `resolve` finds the addresses of names that are announced.
    """
    clock = clock or SystemClock()
    leases = Leases(clock=clock, new_id=new_id or uuid7(clock))
    store = _list_store(settings)
    sharing = Sharing(leases, store, clock) if store else None
    registry = Registry(leases, check or HttpCheck(clock), clock, sharing)
    announcers = Announcers(settings.networks, resolve=resolve)
    service = _service(registry, announcers, settings, clock, [OpenStore(store, sharing)] if store and sharing else [])
    return Program(service, {"port": RegistryListener(registry, service, settings)})


class RegistryListener(UvicornListener):
    """The registry's way in: watchers, who wait for news, are answered as soon as nobody else is let in."""

    def __init__(self, registry: Registry, service: Service, settings: RegistrySettings) -> None:
        super().__init__(service.app, settings.host, settings.port)
        self._registry = registry

    async def stop_accepting(self) -> None:
        await super().stop_accepting()
        self._registry.close_watches()


def _list_store(settings: RegistrySettings) -> "ValkeyList | None":
    if settings.list_url is None:
        return None
    from atoll.registry.valkey_list import ValkeyList

    return ValkeyList(settings.list_url)


def _service(
    registry: Registry,
    announcers: Announcers,
    settings: RegistrySettings,
    clock: Clock,
    resources: Sequence[OpenStore],
) -> Service:
    secret = settings.service_secret.reveal()
    health = Health(REGISTRY, version=settings.version, clock=clock)
    return Service(
        REGISTRY,
        RegistryRoutes(registry, announcers, health).table(),
        authenticator=ServiceAuthenticator(services=ServiceTokenVerifier(secret, REGISTRY, clock=clock)),
        resources=resources,
        jobs={
            "expire leases": registry.expire_leases,
            "admit newcomers": registry.admit_newcomers,
            **({"share the list": registry.share} if resources else {}),
        },
        version=settings.version,
        clock=clock,
    )
