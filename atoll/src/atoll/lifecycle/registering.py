"""Telling the registry that a service runs here."""

import socket
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from atoll.lifecycle.listener import Address
from atoll.lifecycle.runnable import Runnable
from atoll.settings import ServiceSettings

_EVERY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not bound


def registered(service: Runnable, settings: ServiceSettings, address: Address) -> AbstractAsyncContextManager[Any]:
    """Within, the registry that the settings name knows of the service, wherever it is needed.

    Nothing is done without one, and for the registry itself.
    """
    from atoll.discovery.registration import Registration
    from atoll.discovery.registry_api import REGISTRY, Announcement
    from atoll.identity.service_credential import ServiceCredential

    if settings.registry_url is None or service.name == REGISTRY:
        return nullcontext()
    announcement = Announcement(
        name=service.name,
        host=advertised_host(settings, address),
        port=address.port,
        version=service.version,
    )
    credential = ServiceCredential(settings.service_secret.reveal(), service.name)
    return Registration(settings.registry_url, announcement, credential)


def advertised_host(settings: ServiceSettings, address: Address) -> str:
    """Where others reach what is bound to `address`: as set; else there, or at this machine's name."""
    if settings.advertise_host:
        return settings.advertise_host
    return socket.gethostname() if address.host in _EVERY_ADDRESS else address.host
