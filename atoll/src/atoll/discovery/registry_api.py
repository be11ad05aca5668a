"""What the registry and its clients say to each other."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, field

from atoll.discovery.instance import ServiceInstance
from atoll.wire import Model, StrictModel

REGISTRY = "registry"
"""The registry's own name, as its callers' credentials must say it."""

DEFAULT_REGISTRY_URL = "http://127.0.0.1:3010"

ServiceName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
HostName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,253}$")]
PortNumber = Annotated[int, Meta(ge=1, le=65535)]
HealthPath = Annotated[str, Meta(pattern=r"^/[A-Za-z0-9._~!$&'()*+,;=:@%/-]{0,199}$")]
ShortText = Annotated[str, Meta(max_length=200)]


class InstanceStatus(StrEnum):
    """UP is listed; DOWN has not passed its first check yet; DRAINING finishes what it has and wants no more."""

    UP = "UP"
    DOWN = "DOWN"
    DRAINING = "DRAINING"


class Announcement(StrictModel):
    """An instance that wants to be listed. `health` is a path on its own host and port, never elsewhere."""

    name: ServiceName
    host: HostName
    port: PortNumber
    health: HealthPath = "/health"
    version: ShortText = ""
    metadata: Annotated[dict[ShortText, ShortText], Meta(max_length=20)] = field(default_factory=dict)


class Admission(Model):
    """The registry's answer: send a heartbeat every `heartbeat_seconds`, or be gone after `lease_seconds`."""

    service_id: str
    lease_seconds: float
    heartbeat_seconds: float
    epoch: str


class Renewal(Model):
    """The answer to a heartbeat."""

    service_id: str
    status: InstanceStatus
    epoch: str


class Discovered(Model):
    """One instance to call now."""

    id: str
    host: str
    port: int
    url: str


class InstanceReport(Model):
    """Everything that the registry knows of one instance."""

    id: str
    name: str
    host: str
    port: int
    url: str
    version: str
    metadata: dict[str, str]
    status: InstanceStatus
    registered_at: datetime
    heartbeat_age_seconds: float


class InstanceReports(Model):
    """A list that always fits on one page."""

    items: tuple[InstanceReport, ...]
    next_cursor: str | None = None


class ListedInstance(Model):
    """An instance as the watchers of the list see it."""

    id: str
    name: str
    host: str
    port: int
    version: str = ""

    @classmethod
    def of(cls, instance: ServiceInstance) -> "ListedInstance":
        return cls(
            id=instance.id,
            name=instance.name,
            host=instance.host,
            port=instance.port,
            version=instance.version,
        )

    def as_instance(self) -> ServiceInstance:
        return ServiceInstance(self.id, self.name, self.host, self.port, self.version)


class InstanceList(Model):
    """All instances that may be called, at one moment.

    `cursor` names that moment: give it as `since` to wait for the next one. Every start of a registry with
    nothing in memory is a new `epoch`: what is missing from its first lists may only not have come back
    yet, for `lease_seconds`; what is missing later in the same epoch is gone.
    """

    epoch: str
    cursor: str
    lease_seconds: float
    instances: tuple[ListedInstance, ...]
