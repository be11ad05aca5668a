"""One running copy of a service, as its callers see it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServiceInstance:
    """A running copy of the service `name`, reachable at `host` and `port` (plain HTTP)."""

    id: str
    name: str
    host: str
    port: int
    version: str = ""

    @property
    def url(self) -> str:
        """`http://host:port`, with an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"
