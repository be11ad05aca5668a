"""Telling the registry that a service runs here."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from atoll.lifecycle.listener import Address
from atoll.lifecycle.runnable import Runnable
from atoll.settings import ServiceSettings

_EVERY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not bound


@asynccontextmanager
async def registered(service: Runnable, settings: ServiceSettings, address: Address) -> AsyncIterator[None]:
    """Within, the registry that the settings name knows of the service, wherever it is needed.

    Nothing is done without one, and for the registry itself.
    """
    from atoll.discovery.registration import Registration
    from atoll.discovery.registry_api import REGISTRY, Announcement
    from atoll.identity.service_credential import ServiceCredential

    if settings.registry_url is None or service.name == REGISTRY:
        yield
        return
    announcement = Announcement(
        name=service.name,
        host=await advertised_host(settings, address),
        port=address.port,
        version=service.version,
    )
    credential = ServiceCredential(settings.service_secret.reveal(), service.name)
    async with Registration(settings.registry_url, announcement, credential):
        yield


async def advertised_host(settings: ServiceSettings, address: Address) -> str:
    """Where others reach what is bound to `address`: as set, or else there.

    What is bound to every address is reached at the one from which the registry is: others are where the registry is,
    and a container in several networks has several addresses, and a name that means any of them. Where that cannot be
    told, or the registry is on this machine, it is this machine's name. Takes two seconds at most.
    """
    if settings.advertise_host:
        return settings.advertise_host
    if address.host not in _EVERY_ADDRESS:
        return address.host
    towards = await _address_towards(settings.registry_url, ipv6=address.host == "::")
    return towards or socket.gethostname()


async def _address_towards(urls: str | None, *, ipv6: bool) -> str | None:
    """Our own address on the way to the first of `urls`; None when there is no way, or it stays on this machine."""
    from atoll.discovery.resolving import CannotResolve, resolve

    first = urlsplit((urls or "").partition(",")[0])
    try:
        found = [host for host in await resolve(first.hostname or "") if ipv6 or ":" not in host]
    except CannotResolve:
        return None
    own = [_own_address(host, first.port or 80) for host in found[:1]]
    return next((host for host in own if host and host not in found and not host.startswith("127.")), None)


def _own_address(host: str, port: int) -> str | None:
    """Which of our addresses the system would send from. Nothing is sent: a datagram socket only looks for the way."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, port))
        except OSError:
            return None
        own: str = probe.getsockname()[0]
        return own
