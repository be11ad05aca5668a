"""The door of the system, held open by the runner: who connects while its gateway is replaced waits for the next."""

import socket
from contextlib import suppress

from atoll.lifecycle.errors import StartFailed
from atoll.lifecycle.sockets import admit_no_more, listening_socket
from atoll.runner.ports import PortPlan
from atoll.runner.system_file import GATEWAY_MODULE, ServiceSpec


class Doors:
    """Listening sockets of gateways. Other services are found through the registry: callers go elsewhere meanwhile."""

    def __init__(self, ports: PortPlan) -> None:
        self._ports = ports
        self._open: dict[str, socket.socket] = {}

    def of(self, name: str, spec: ServiceSpec) -> socket.socket | None:
        """The socket to hand to each process of the service, opened the first time.

        None for a service that opens its own; so does a gateway whose port cannot be had, and says why.
        """
        if spec.module == GATEWAY_MODULE and name not in self._open:
            with suppress(StartFailed):
                self._open[name] = listening_socket(spec.host, self._ports.of(name)["port"])
                self._ports.bound(name, {"port": self._open[name].getsockname()[1]})
        return self._open.get(name)

    def shut(self, name: str) -> None:
        """Let nobody in any more: who has connected is the service's to answer."""
        if (door := self._open.pop(name, None)) is not None:
            admit_no_more(door)
            door.close()

    def shut_all(self) -> None:
        for name in list(self._open):
            self.shut(name)
