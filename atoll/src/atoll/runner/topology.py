"""Who needs whom: the order of starting and stopping, and the circles that forbid one."""

import graphlib
from collections.abc import Collection, Mapping

Needs = Mapping[str, Collection[str]]
"""For each service, the services that must be up before it starts."""


def circle_in(needs: Needs) -> list[str]:
    """Services that need each other in a circle, the first one repeated at the end; empty when there is none."""
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError as error:
        circle: list[str] = error.args[1]
        return circle[::-1]
    return []


def start_order(needs: Needs) -> list[str]:
    """Every service after those it needs; otherwise in the order of the file."""
    return list(graphlib.TopologicalSorter(needs).static_order())


def needed_by(needs: Needs) -> dict[str, frozenset[str]]:
    """For each service, those that need it: they stop first."""
    return {service: frozenset(other for other in needs if service in needs[other]) for service in needs}


def among(needs: Needs, chosen: Collection[str]) -> dict[str, frozenset[str]]:
    """The needs of the `chosen` services among themselves; whatever else they need is elsewhere."""
    return {service: frozenset(needs[service]) & frozenset(chosen) for service in needs if service in chosen}
