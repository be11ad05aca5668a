"""What holds at the door now: routes and limits together, replaced as a whole when the settings are read again."""

from collections.abc import Mapping
from typing import NamedTuple

from atoll.gateway.limiting import CountedLimit, RequestLimits
from atoll.gateway.paths import below_prefix, canonical
from atoll.gateway.routes import Route, RoutingTable
from atoll.gateway.upstream_services import UpstreamService
from atoll.problems import NotFound

_WAYS_REMEMBERED = 4096
"""Paths with their methods; bounded, because anybody can ask for many."""


class Way(NamedTuple):
    """Where requests of one method for one path go."""

    path: bytes
    """In its canonical form."""
    target: bytes
    """The path as upstream knows it."""
    route: Route
    limit: CountedLimit
    service: UpstreamService


class Rules:
    """Finds the way for a request."""

    def __init__(self, routes: RoutingTable, limits: RequestLimits, services: Mapping[str, UpstreamService]) -> None:
        self.routes = routes
        self.limits = limits
        self._services = services
        self.known: dict[tuple[bytes, bytes], Way] = {}
        """Ways that were found before, by the method and the path as it came: one look instead of a search."""

    def __repr__(self) -> str:
        return f"<Rules {self.routes!r}, {self.limits!r}>"

    def way(self, method: bytes, path: bytes) -> Way:
        """The way for a path as it came, without its query; it is `known` from now on.

        Raises `BadRequest` for a path without a canonical form, `NotFound` and `MethodNotAllowed`.
        """
        one_form = canonical(path)
        below = below_prefix(one_form)
        route = None if below is None else self.routes.find(method, below)
        if route is None or below is None:
            raise NotFound(f"There is nothing at {one_form.decode('latin-1')}.")
        way = Way(one_form, below, route, self.limits.named(route.limit), self._services[route.service])
        if len(self.known) >= _WAYS_REMEMBERED:
            self.known.clear()
        self.known[method, path] = way
        return way
