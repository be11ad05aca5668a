"""How the calls of a service go, read from its `/metrics`."""

import re
from collections import defaultdict
from collections.abc import Iterable

import msgspec

_SAMPLE = re.compile(r"(?P<name>atoll_call_\w+)\{(?P<labels>[^}]*)\} (?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class CallsStatus(msgspec.Struct, frozen=True, rename="camel"):
    """The calls to one service: the states of its instances' breakers by address, and what was done about failures.

    `retries` and `ejections` are since the start; `retries_left` is what the budget would allow now.
    """

    to: str
    instances: dict[str, str]
    retries: int
    retries_left: float
    ejections: int


def calls_in(exposition: str) -> list[CallsStatus]:
    """The calls that an exposition of Prometheus metrics tells of, by the name of the service called."""
    instances: dict[str, dict[str, str]] = defaultdict(dict)
    numbers: dict[str, dict[str, float]] = defaultdict(dict)
    for name, labels, value in _samples(exposition):
        peer = labels.get("peer_service", "")
        numbers[peer][name] = value
        if name == "atoll_call_circuit_breaker_state":
            instances[peer][labels.get("peer_instance", "")] = labels.get("state", "")
    return [
        CallsStatus(
            to=peer,
            instances=instances[peer],
            retries=int(found.get("atoll_call_retries_total", 0)),
            retries_left=found.get("atoll_call_retry_budget_left", 0.0),
            ejections=int(found.get("atoll_call_ejections_total", 0)),
        )
        for peer, found in sorted(numbers.items())
    ]


def _samples(exposition: str) -> Iterable[tuple[str, dict[str, str], float]]:
    for line in exposition.splitlines():
        if found := _SAMPLE.fullmatch(line):
            yield found["name"], dict(_LABEL.findall(found["labels"])), float(found["value"])
