"""Several instances of one service: `atoll up --scale orders=3` adds orders-2 and orders-3 to the system."""

from collections.abc import Mapping

import msgspec

from atoll.runner.mistakes import did_you_mean
from atoll.runner.system_file import GATEWAY_MODULE, REGISTRY_MODULE, ServiceSpec, System

MOST = 64

_REASONS_FOR_ONE = {
    REGISTRY_MODULE: "it keeps its list in memory, and each would have another one",
    GATEWAY_MODULE: "it is the one public door, at a fixed port",
}


class CannotScale(Exception):
    """The system cannot run as many instances as asked; the message says why."""


def scaled(system: System, counts: Mapping[str, int]) -> System:
    """The system with `counts` instances of the services named; the first of each is as in the file.

    The others listen on free ports, share database and secrets with the first, start after it (so that it alone
    migrates) and stop before it. Services that need it need only the first. Raises `CannotScale`.
    """
    services = dict(system.services)
    copies = dict(system.copies)
    for name, count in counts.items():
        _check(system, name, count)
        for number in range(2, count + 1):
            services[f"{name}-{number}"] = _copy(name, system.services[name])
            copies[f"{name}-{number}"] = name
    return msgspec.structs.replace(system, services=services, copies=copies)


def _copy(name: str, spec: ServiceSpec) -> ServiceSpec:
    return msgspec.structs.replace(spec, port=0, ports=dict.fromkeys(spec.ports, 0), needs=(*spec.needs, name))


def _check(system: System, name: str, count: int) -> None:
    if name not in system.services:
        raise CannotScale(f"There is no service {name!r} to have {count} of.{did_you_mean(name, system.services)}")
    if not 1 <= count <= MOST:
        raise CannotScale(f"{name}={count}: there can be 1 to {MOST} instances of a service.")
    reason = _REASONS_FOR_ONE.get(system.services[name].module)
    if reason and count > 1:
        raise CannotScale(f"There can be only one {name}: {reason}.")
    taken = [f"{name}-{number}" for number in range(2, count + 1) if f"{name}-{number}" in system.services]
    if taken:
        raise CannotScale(f"{taken[0]} is a service of its own in {system.path}, so {name} cannot have {count}.")
