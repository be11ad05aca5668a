"""The routes that every service has beside its own: for those who run it, and those who call it."""

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry

from atoll.docs_page import docs_page
from atoll.endpoints import Content, Reply, Route
from atoll.observability.health import Health, Liveness, ReadinessReport
from atoll.observability.metrics import EXPOSITION_TYPE, exposition


class OperationRoutes:
    """Is it alive, is it ready, how much does it do."""

    def __init__(self, health: Health, metrics: CollectorRegistry) -> None:
        self._health = health
        self._metrics = metrics

    def table(self) -> list[Route]:
        return [
            Route("GET", "/health", self.health),
            Route("GET", "/ready", self.ready),
            Route("GET", "/metrics", self.metrics),
        ]

    async def health(self) -> Liveness:
        return self._health.liveness()

    async def ready(self) -> Reply[ReadinessReport]:
        report = await self._health.readiness()
        return Reply(report, status=report.http_status)

    async def metrics(self) -> Content:
        return Content(exposition(self._metrics), EXPOSITION_TYPE)


class DocumentationRoutes:
    """What can be called: the OpenAPI document, and the page that shows it."""

    def __init__(self, document: Callable[[], dict[str, Any]]) -> None:
        self._document = document

    def table(self) -> list[Route]:
        return [
            Route("GET", "/openapi.json", self.openapi),
            Route("GET", "/docs", self.docs),
        ]

    async def openapi(self) -> dict[str, Any]:
        return self._document()

    async def docs(self) -> Content:
        page = docs_page()
        return Content(page.html, "text/html; charset=utf-8", headers={"Content-Security-Policy": page.policy})
