"""What goes where, and who may: the routing table, built once from the settings.

The most specific path decides, segment by segment from the left: a plain one before `{name}`, and that before `/**`.
Only then the method is looked at, so that a path with rules of its own never falls back to looser ones.
"""

import math
import re
from collections.abc import Iterator, Sequence

from atoll.gateway.cors import Cors, wrong_origins
from atoll.gateway.overload import Priority
from atoll.gateway.rewriting import remaining_line
from atoll.gateway.settings import GatewaySettings, RouteSettings
from atoll.problems import MethodNotAllowed

SHARES_OF_QUEUE = {Priority.LOW: 0.25, Priority.NORMAL: 0.5, Priority.HIGH: 1.0}
"""How much of the queue for an instance requests of a priority may fill: what matters most finds a place, and a short
way to the front, when the rest is refused."""

PUBLIC = "public"
ANY_USER = "user"

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_SERVICE = re.compile(r"[a-z][a-z0-9-]*")
_ROLE = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_LITERAL = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~!$&'()+,=:@-]+")
_PARAMETER = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")
_REST = b"**"

Rules = dict[bytes, "Route"]
"""What holds at one path, by method."""


class RoutesInvalid(ValueError):
    """The routes cannot be used; `mistakes` are sentences."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__(" ".join(mistakes))
        self.mistakes = tuple(mistakes)


class Route:
    """One rule of the table, ready for use."""

    __slots__ = (
        "attempt_timeout",
        "body_limit",
        "cors",
        "cost",
        "endless",
        "limit",
        "max_wait",
        "max_waiting",
        "needs_token",
        "priority",
        "remaining",
        "role",
        "service",
        "silence_timeout",
        "template",
        "total_timeout",
    )

    def __init__(self, given: RouteSettings, settings: GatewaySettings) -> None:
        self.template = given.path
        self.service = given.to
        self.needs_token = given.access != PUBLIC
        self.role = "" if given.access in {PUBLIC, ANY_USER} else given.access
        self.body_limit = given.body_limit
        self.attempt_timeout = given.attempt_timeout or settings.attempt_timeout
        self.total_timeout = given.total_timeout or settings.total_timeout
        self.remaining = remaining_line(self.total_timeout)
        """What a request says at its beginning of the time that is left."""
        self.endless = given.endless
        self.limit = given.limit
        self.cost = given.cost
        self.silence_timeout = given.silence_timeout or settings.silence_timeout
        self.max_wait = min(settings.max_wait, self.attempt_timeout)
        self.priority = Priority[given.priority.upper()]
        self.max_waiting = math.ceil(settings.max_waiting * SHARES_OF_QUEUE[self.priority])
        origins = settings.cors if given.cors is None else given.cors
        self.cors = Cors(origins) if origins else None

    @property
    def access(self) -> str:
        """As it was written: `public`, `user`, or a role."""
        return self.role or (ANY_USER if self.needs_token else PUBLIC)

    def __repr__(self) -> str:
        return f"<Route {self.template} to {self.service} for {self.access}>"


class _Node:
    """One place in the tree of paths."""

    __slots__ = ("below", "here", "literals", "parameter")

    def __init__(self) -> None:
        self.literals: dict[bytes, _Node] = {}
        self.parameter: _Node | None = None
        self.here: Rules | None = None
        self.below: Rules | None = None

    def step(self, segment: bytes) -> "_Node":
        """The place one segment further, made if it is not there."""
        if not segment.startswith(b"{"):
            return self.literals.setdefault(segment, _Node())
        if self.parameter is None:
            self.parameter = _Node()
        return self.parameter


class RoutingTable:
    """Finds the rule for a path and a method. Raises `RoutesInvalid` with every mistake in the settings."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.services = tuple(sorted({each.to for each in settings.routes}))
        self.given = settings.routes
        """As they were written, in their order."""
        self._root = _Node()
        self._all_rules: list[Rules] = []
        mistakes = [f"The setting `cors` {each}" for each in wrong_origins(settings.cors)]
        for number, given in enumerate(settings.routes, 1):
            wrong = list(_wrong_in(given)) or list(self._add(given, Route(given, settings)))
            mistakes += [f"Route {number} ({given.path}) {each}" for each in wrong]
        if mistakes:
            raise RoutesInvalid(mistakes)
        for rules in self._all_rules:
            if b"GET" in rules:
                rules.setdefault(b"HEAD", rules[b"GET"])

    def preflight(self, wanted: bytes, path: bytes) -> tuple[Cors, Sequence[str]] | None:
        """The origins that may use the method `wanted` at a path, and all methods that there are; None for nobody."""
        rules = _find(self._root, path[1:].split(b"/"), 0)
        route = None if rules is None else rules.get(wanted)
        if rules is None or route is None or route.cors is None:
            return None
        return route.cors, sorted(each.decode() for each in rules)

    def find(self, method: bytes, path: bytes) -> Route | None:
        """The rule for a canonical path, if there is one; raises `MethodNotAllowed` with what is allowed."""
        rules = _find(self._root, path[1:].split(b"/"), 0)
        if rules is None:
            return None
        route = rules.get(method)
        if route is None:
            raise _method_refused(method, rules)
        return route

    def _add(self, given: RouteSettings, route: Route) -> Iterator[str]:
        rules = self._rules_at(given.path)
        for name in given.methods:
            method = name.encode()
            if method in rules:
                yield f"repeats {name}, for which there is a rule at that path already."
            rules[method] = route

    def _rules_at(self, template: str) -> Rules:
        segments = template[1:].encode().split(b"/")
        everything_below = segments[-1] == _REST
        node = self._root
        for segment in segments[:-1] if everything_below else segments:
            node = node.step(segment)
        rules = node.below if everything_below else node.here
        if rules is None:
            rules = {}
            self._all_rules.append(rules)
            if everything_below:
                node.below = rules
            else:
                node.here = rules
        return rules


def _find(node: _Node, segments: list[bytes], position: int) -> Rules | None:
    if position == len(segments):
        return node.here or node.below
    segment = segments[position]
    literal = node.literals.get(segment)
    found = _find(literal, segments, position + 1) if literal is not None else None
    if found is None and node.parameter is not None and segment:
        found = _find(node.parameter, segments, position + 1)
    return found or node.below


def _method_refused(method: bytes, rules: Rules) -> MethodNotAllowed:
    allowed = ", ".join(sorted(each.decode() for each in rules))
    return MethodNotAllowed(f"{method.decode()} is not possible here, only {allowed}.", headers={"Allow": allowed})


def _wrong_in(given: RouteSettings) -> Iterator[str]:
    """What is wrong with one route, each the end of a sentence."""
    yield from _wrong_in_path(given.path)
    if not _SERVICE.fullmatch(given.to):
        yield f"goes to {given.to!r}, which cannot be the name of a service."
    if not _ROLE.fullmatch(given.access):
        yield f"has the access {given.access!r}; write `public`, `user`, or the name of a role."
    if not given.methods:
        yield "has an empty list of methods; leave `methods` out for all of them."
    for method in given.methods:
        if method not in _METHODS:
            yield f"has the method {method!r}; known are {', '.join(_METHODS)}."
    yield from wrong_origins(given.cors or ())
    if given.body_limit < 0:
        yield "has a negative body_limit."
    for name in ("attempt_timeout", "total_timeout", "silence_timeout"):
        seconds = getattr(given, name)
        if seconds is not None and seconds <= 0:
            yield f"has a {name} of {seconds:g} s; it must be more than 0."


def _wrong_in_path(path: str) -> Iterator[str]:
    if not path.startswith("/"):
        yield "must begin with a slash."
        return
    if path == "/api" or path.startswith("/api/"):
        yield "must leave out `/api`, which is taken off before."
    *segments, last = path[1:].split("/")
    for segment in segments if last == _REST.decode() else [*segments, last]:
        if not _LITERAL.fullmatch(segment) and not _PARAMETER.fullmatch(segment):
            yield f"has the segment {segment!r}; plain text, {{name}}, and ** at the end are possible."
