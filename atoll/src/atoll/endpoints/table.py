"""The table of routes: from a path and a method to the endpoint, 404, 405 or OPTIONS."""

import re
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from atoll.endpoints.answers import Answer
from atoll.endpoints.edge import Edge
from atoll.endpoints.endpoint import Endpoint
from atoll.endpoints.parameters import nothing_at
from atoll.endpoints.request import Request
from atoll.endpoints.signature import HandlerMistake
from atoll.problems import MethodNotAllowed

_NAME = re.compile(r"\{([^}]*)\}")


class Resource:
    """Everything that is served at one path template."""

    def __init__(self, template: str, endpoints: Sequence[Endpoint], edge: Edge) -> None:
        self.template = template
        self._pattern = _pattern_of(template)
        self._apps: dict[str, ASGIApp] = {
            endpoint.route.method: edge.serve(template, endpoint.answer, body_limit=endpoint.route.body_limit)
            for endpoint in endpoints
        }
        if "GET" in self._apps:
            self._apps["HEAD"] = self._apps["GET"]
        self.allow = ", ".join(sorted({*self._apps, "OPTIONS"}))
        self._apps["OPTIONS"] = edge.serve(template, self._say_what_is_allowed)
        self._refusal = edge.serve(template, self._refuse)

    def match(self, path: str) -> Mapping[str, str] | None:
        """The texts in the place of the template's names; None for another path."""
        found = self._pattern.fullmatch(path)
        return None if found is None else found.groupdict()

    def app_for(self, method: str) -> ASGIApp:
        return self._apps.get(method, self._refusal)

    async def _say_what_is_allowed(self, _: Request) -> Answer:
        return Answer(204, [(b"allow", self.allow.encode("ascii"))], b"")

    async def _refuse(self, request: Request) -> Answer:
        raise MethodNotAllowed(
            f"{request.method} is not possible at {request.path}; try {self.allow}.",
            headers={"Allow": self.allow},
        )


class RouteTable(BaseRoute):
    """All resources of a service, as one Starlette route that answers every request.

    A path without names is found at once; of templates with names, one whose first difference is a word
    wins over one that has a name there. `otherwise` serves all other paths, and WebSockets, which we have
    none of.
    """

    def __init__(self, endpoints: Iterable[Endpoint], edge: Edge, otherwise: ASGIApp | None = None) -> None:
        resources = [Resource(template, found, edge) for template, found in _by_template(endpoints).items()]
        self._fixed = {resource.template: resource for resource in resources if "{" not in resource.template}
        self._by_depth: dict[int, list[Resource]] = {}
        for resource in sorted(resources, key=_words_first):
            if "{" in resource.template:
                self._by_depth.setdefault(resource.template.count("/"), []).append(resource)
        self._serves_websockets = otherwise is not None
        self._otherwise = otherwise or edge.serve("", _refuse_unknown_path)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as a router does with what `matches` says."""
        app, scope["path_params"] = self._find(_path_below_mount(scope), scope["method"])
        await app(scope, receive, send)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http":
            return (Match.FULL, {"endpoint": self._otherwise}) if self._serves_websockets else (Match.NONE, {})
        app, path_params = self._find(_path_below_mount(scope), scope["method"])
        return Match.FULL, {"endpoint": app, "path_params": path_params}

    def _find(self, path: str, method: str) -> tuple[ASGIApp, Mapping[str, str]]:
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed.app_for(method), {}
        for resource in self._by_depth.get(path.count("/"), ()):
            names = resource.match(path)
            if names is not None:
                return resource.app_for(method), names
        return self._otherwise, {}

    def handle(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        handled: Coroutine[Any, Any, None] = scope["endpoint"](scope, receive, send)
        return handled

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        raise NotImplementedError("routes have no names here; write the path")


def _by_template(endpoints: Iterable[Endpoint]) -> dict[str, list[Endpoint]]:
    """The endpoints of each template; two that could never be told apart are a mistake."""
    found: dict[str, list[Endpoint]] = {}
    shapes: dict[str, str] = {}
    for endpoint in endpoints:
        template, method = endpoint.route.path, endpoint.route.method
        other = shapes.setdefault(_NAME.sub("{}", template), template)
        if other != template:
            raise HandlerMistake(f"{template} and {other} are the same path; give their names the same name.")
        if any(same.route.method == method for same in found.get(template, ())):
            raise HandlerMistake(f"{method} {template} is there twice.")
        found.setdefault(template, []).append(endpoint)
    return found


def _words_first(resource: Resource) -> list[bool]:
    return [segment.startswith("{") for segment in resource.template.split("/")]


def _pattern_of(template: str) -> re.Pattern[str]:
    """A pattern with a group for each name; `re.split` with one group yields words and names in turn."""
    parts = _NAME.split(template)
    return re.compile("".join(f"(?P<{part}>[^/\\0]+)" if i % 2 else re.escape(part) for i, part in enumerate(parts)))


def _path_below_mount(scope: Scope) -> str:
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root + "/") else path


async def _refuse_unknown_path(request: Request) -> Answer:
    raise nothing_at(request.path)
