"""Which port each service listens on, and whether it can."""

import errno
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from atoll.runner.port_holder import Holder, holder_of
from atoll.runner.running_system import RunningSystem
from atoll.runner.system_file import ServiceSpec, System


@dataclass(frozen=True, slots=True)
class TakenPort:
    """A port that `service` wants for `setting` and cannot have."""

    service: str
    setting: str
    port: int
    holder: Holder | None

    def __str__(self) -> str:
        wanted = f"{self.service} needs port {self.port}" + (f" ({self.setting})" if self.setting != "port" else "")
        if self.holder is None:
            return f"{wanted}, but another program holds it."
        return f"{wanted}, but process {self.holder.pid} ({self.holder.command}) holds it."


class PortPlan:
    """The ports of every service: those of the file, or moved so that the lowest is `base`, or free ones (base 0).

    A free port becomes fixed once the service has bound it: a restart keeps it.
    """

    def __init__(self, services: Mapping[str, ServiceSpec], base: int | None = None) -> None:
        given = [port for spec in services.values() for port in spec.all_ports().values() if port != 0]
        distance = base - min(given) if base and given else 0
        self._ports = {
            name: {
                setting: 0 if base == 0 or port == 0 else port + distance for setting, port in spec.all_ports().items()
            }
            for name, spec in services.items()
        }
        self._hosts = {name: spec.host for name, spec in services.items()}

    def of(self, service: str) -> Mapping[str, int]:
        """The ports by the names of their settings; 0 is one that is not known yet."""
        return self._ports[service]

    def bound(self, service: str, ports: Mapping[str, int]) -> None:
        """Remember what the service has bound."""
        self._ports[service].update(ports)

    def choose_free(self, service: str) -> None:
        """Fix ports for a program that cannot tell which it has bound."""
        for setting, port in self._ports[service].items():
            if port == 0:
                self._ports[service][setting] = _free_port(self._hosts[service])

    def url(self, service: str) -> str:
        """Where the service is called from this machine; empty while its port is not known."""
        return self._url(service, "port")

    def operations_url(self, service: str) -> str:
        """Where its /health, /ready and /metrics are: on `ops_port` when it has one."""
        return self._url(service, "ops_port" if "ops_port" in self._ports[service] else "port")

    def taken(self, services: Iterable[str]) -> list[TakenPort]:
        """The known ports of `services` that something else listens on."""
        return [
            TakenPort(name, setting, port, holder_of(port))
            for name in services
            for setting, port in self._ports[name].items()
            if port != 0 and not _can_listen(self._hosts[name], port)
        ]

    def _url(self, service: str, setting: str) -> str:
        host, port = self._hosts[service], self._ports[service][setting]
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - any address
        return f"http://{host}:{port}" if port else ""


def ports_of(system: System, running: RunningSystem | None) -> PortPlan:
    """The ports that the services of a running system have bound; those of the file when it does not run."""
    ports = PortPlan(system.services)
    for name, service in (running.services if running else {}).items():
        if name in system.services:
            ports.bound(name, service.ports)
    return ports


def _can_listen(host: str, port: int) -> bool:
    try:
        with _bound_socket(host, port) as bound:
            bound.listen(1)
    except OSError as error:
        return error.errno != errno.EADDRINUSE
    return True


def _free_port(host: str) -> int:
    with _bound_socket(host, 0) as bound:
        port: int = bound.getsockname()[1]
        return port


def _bound_socket(host: str, port: int) -> socket.socket:
    """Bound as a server binds: past connections that are only closing do not count."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except BaseException:
        bound.close()
        raise
    return bound
