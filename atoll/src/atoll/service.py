"""A service: its name, routes, resources and jobs, joined into one ASGI app.

    Service("orders", routes.table(), resources=[database], jobs={"settling": settling.run}).app

Every service answers `/health`, `/ready`, `/metrics`, `/openapi.json` and `/docs` beside its own routes; a route of
its own at one of these paths takes the place of ours.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType
from typing import Any, Self

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from atoll import openapi
from atoll.clock import Clock, SystemClock
from atoll.endpoints import Endpoint, Route
from atoll.endpoints.edge import Edge
from atoll.endpoints.hosted import Hosted
from atoll.endpoints.table import RouteTable
from atoll.identity.authenticator import Authenticator
from atoll.observability.health import Check, Health
from atoll.observability.metrics import HttpMetrics, Measured
from atoll.own_routes import DocumentationRoutes, OperationRoutes
from atoll.running import Job, JobFailed, Jobs, ResourceFailed, entered

__all__ = ["Job", "JobFailed", "ResourceFailed", "Service"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Service:
    """One deployable: what it serves, what it needs, and what it does in the background.

    `resources` are entered in order at the start, before anything is served, and left in reverse at the stop,
    after the `jobs` have been cancelled and have ended. A job that raises is logged whole and should end the
    process (`job_failure`); one that returns is done. `readiness` checks are run for each `/ready`, all at once;
    one that raises means that the service is not ready. `when_stopping` is called when a stop begins, to end requests
    that would not end by themselves; it returns at once. `authenticator` is needed when a handler asks who
    calls. Metrics go to `metrics`, by default a registry of the service's own, and so do those of resources that
    have any (`Measured`). `hosted` is a foreign ASGI app that
    serves what the routes do not (`hosting`). Raises `HandlerMistake` for a route that cannot be served.
    """

    def __init__(
        self,
        name: str,
        routes: Sequence[Route] = (),
        *,
        authenticator: Authenticator | None = None,
        resources: Sequence[AbstractAsyncContextManager[Any]] = (),
        jobs: Mapping[str, Job] = _NOTHING,
        readiness: Mapping[str, Check] = _NOTHING,
        when_stopping: Sequence[Callable[[], None]] = (),
        version: str = "",
        clock: Clock | None = None,
        metrics: CollectorRegistry | None = None,
        hosted: ASGIApp | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self._clock = clock or SystemClock()
        self._metrics = metrics or CollectorRegistry()
        self._edge = Edge(name, HttpMetrics(self._metrics), self._clock)
        self._hosted = None if hosted is None else Hosted(hosted, self._edge)
        self._resources = (*resources, *([self._hosted] if self._hosted else []))
        for resource in self._resources:
            if isinstance(resource, Measured):
                resource.measure_in(self._metrics)
        self._jobs = Jobs(jobs)
        self._when_stopping = tuple(when_stopping)
        self._health = Health(name, version=version, checks=readiness, clock=self._clock)
        self._endpoints = [Endpoint(route, authenticator, clock=self._clock) for route in routes]
        self._document = openapi.document(name, version, self._endpoints)
        self.app: Starlette = self._assemble()

    @classmethod
    def hosting(
        cls,
        name: str,
        app: ASGIApp,
        *,
        resources: Sequence[AbstractAsyncContextManager[Any]] = (),
        jobs: Mapping[str, Job] = _NOTHING,
        readiness: Mapping[str, Check] = _NOTHING,
        version: str = "",
        clock: Clock | None = None,
        metrics: CollectorRegistry | None = None,
    ) -> Self:
        """A service out of any ASGI app, such as one of FastAPI or Litestar.

        `/health`, `/ready` and `/metrics` are ours; everything else is the app's, its OpenAPI document and its way
        of telling errors included. Its requests have a context and are measured; what it raises without having
        answered is told as a problem. Its lifespan runs after the `resources` have started.
        """
        return cls(
            name,
            hosted=app,
            resources=resources,
            jobs=jobs,
            readiness=readiness,
            version=version,
            clock=clock,
            metrics=metrics,
        )

    def __repr__(self) -> str:
        return f"<Service {self.name}: {len(self._endpoints)} routes, {self._jobs!r}>"

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document of the routes."""
        return self._document

    @property
    def routes(self) -> Sequence[Route]:
        """Everything that is answered: the service's own routes, then those that every service has."""
        own = [endpoint.route for endpoint in self._endpoints]
        taken = {(route.method, route.path) for route in own}
        return [*own, *(route for route in self._given_routes() if (route.method, route.path) not in taken)]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The service's lifespan: within, its resources are there and its jobs run.

        `app` does the same for a server that speaks ASGI's lifespan; use one of the two. Raises `ResourceFailed`,
        which says which resource failed at which half, when everything else that had started is closed again.
        """
        async with entered(self._resources), self._jobs.running():
            yield

    def stopping(self) -> None:
        """Say that a stop has begun: what is in hand is still waited for, but not for ever."""
        for end_requests in self._when_stopping:
            end_requests()

    async def job_failure(self) -> JobFailed:
        """Wait until a job has failed, perhaps for ever; it has been logged, and the process should end."""
        return await self._jobs.failure()

    def _assemble(self) -> Starlette:
        given = [Endpoint(route) for route in self.routes[len(self._endpoints) :]]
        table = RouteTable([*self._endpoints, *given], self._edge, otherwise=self._hosted)
        return _ServiceApp(table, lifespan=lambda _: self.running())

    def _given_routes(self) -> list[Route]:
        operations = OperationRoutes(self._health, self._metrics).table()
        return operations if self._hosted else [*operations, *DocumentationRoutes(self.openapi).table()]


class _ServiceApp(Starlette):
    """Starlette without its error pages: the edge answers every error before they could see one."""

    def __init__(self, table: RouteTable, *, lifespan: Any) -> None:
        super().__init__()
        self._table = table
        self.router = Router([table], redirect_slashes=False, lifespan=lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request without any middleware goes straight to the table: it is the router's only route."""
        if scope["type"] == "http" and not self.user_middleware:
            scope["app"] = self
            await self._table.serve(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        app: ASGIApp = self.router.middleware_stack
        for middleware, args, kwargs in reversed(self.user_middleware):
            app = middleware(app, *args, **kwargs)
        return app
