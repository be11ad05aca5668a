"""A service: its name, routes, resources and jobs, joined into one ASGI app.

    Service("orders", routes.table(), resources=[database], jobs={"settling": settling.run}).app

Every service answers `/health`, `/ready`, `/metrics` and `/openapi.json` beside its own routes; a
route of its own at one of these paths takes the place of ours.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType
from typing import Any, Self

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.routing import Router
from starlette.types import ASGIApp

from atoll import openapi
from atoll.asgi_lifespan import AsgiLifespan
from atoll.clock import Clock, SystemClock
from atoll.endpoints import Content, Endpoint, Reply, Route
from atoll.endpoints.edge import Edge
from atoll.endpoints.hosted import Hosted
from atoll.endpoints.table import RouteTable
from atoll.identity.authenticator import Authenticator
from atoll.observability.health import Check, Health, Liveness, ReadinessReport
from atoll.observability.metrics import EXPOSITION_TYPE, HttpMetrics, exposition
from atoll.running import Job, JobFailed, Jobs, ResourceFailed, entered

__all__ = ["Job", "JobFailed", "ResourceFailed", "Service"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Service:
    """One deployable: what it serves, what it needs, and what it does in the background.

    `resources` are entered in order at the start, before anything is served, and left in reverse at the stop,
    after the `jobs` have been cancelled and have ended. A job that raises is logged whole and should end the
    process (`job_failure`); one that returns is done. `readiness` checks are run for each `/ready`, all at once;
    one that raises means that the service is not ready. `authenticator` is needed when a handler asks who
    calls. Metrics go to `metrics`, by default a registry of the service's own. Raises `HandlerMistake` for a
    route that cannot be served.
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
        version: str = "",
        clock: Clock | None = None,
        metrics: CollectorRegistry | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self._clock = clock or SystemClock()
        self._metrics = metrics or CollectorRegistry()
        self._edge = Edge(HttpMetrics(self._metrics), self._clock)
        self._resources = tuple(resources)
        self._jobs = Jobs(jobs)
        self._health = Health(name, version=version, checks=readiness, clock=self._clock)
        self._endpoints = [Endpoint(route, authenticator) for route in routes]
        self.app: ASGIApp = self._assemble([*self._operations(), *self._documentation()], otherwise=None)

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
        lifespan = AsgiLifespan(app)
        service = cls(
            name,
            resources=(*resources, lifespan),
            jobs=jobs,
            readiness=readiness,
            version=version,
            clock=clock,
            metrics=metrics,
        )
        service.app = service._assemble(service._operations(), otherwise=Hosted(app, lifespan, service._edge))
        return service

    def __repr__(self) -> str:
        return f"<Service {self.name}: {len(self._endpoints)} routes, {self._jobs!r}>"

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document of the routes."""
        return openapi.document(self.name, self.version, self._endpoints)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The service's lifespan: within, its resources are there and its jobs run.

        `app` does the same for a server that speaks ASGI's lifespan; use one of the two. Raises `ResourceFailed`,
        which says which resource failed at which half, when everything else that had started is closed again.
        """
        async with entered(self._resources), self._jobs.running():
            yield

    async def job_failure(self) -> JobFailed:
        """Wait until a job has failed, perhaps for ever; it has been logged, and the process should end."""
        return await self._jobs.failure()

    def _assemble(self, own: Sequence[Route], otherwise: ASGIApp | None) -> ASGIApp:
        taken = {(endpoint.route.method, endpoint.route.path) for endpoint in self._endpoints}
        ours = [Endpoint(route) for route in own if (route.method, route.path) not in taken]
        table = RouteTable([*self._endpoints, *ours], self._edge, otherwise)
        return _ServiceApp(table, lifespan=lambda _: self.running())

    def _operations(self) -> list[Route]:
        return [
            Route("GET", "/health", self._answer_health),
            Route("GET", "/ready", self._answer_ready),
            Route("GET", "/metrics", self._answer_metrics),
        ]

    def _documentation(self) -> list[Route]:
        return [
            Route("GET", "/openapi.json", self._answer_openapi),
        ]

    async def _answer_health(self) -> Liveness:
        return self._health.liveness()

    async def _answer_ready(self) -> Reply[ReadinessReport]:
        report = await self._health.readiness()
        return Reply(report, status=report.http_status)

    async def _answer_metrics(self) -> Content:
        return Content(exposition(self._metrics), EXPOSITION_TYPE)

    async def _answer_openapi(self) -> dict[str, Any]:
        return self.openapi()


class _ServiceApp(Starlette):
    """Starlette without its error pages: the edge answers every error before they could see one."""

    def __init__(self, table: RouteTable, *, lifespan: Any) -> None:
        super().__init__()
        self.router = Router([table], redirect_slashes=False, lifespan=lifespan)

    def build_middleware_stack(self) -> ASGIApp:
        app: ASGIApp = self.router
        for middleware, args, kwargs in reversed(self.user_middleware):
            app = middleware(app, *args, **kwargs)
        return app
