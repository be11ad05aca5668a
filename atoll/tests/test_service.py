import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from types import TracebackType

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from atoll.endpoints import Route
from atoll.service import JobFailed, ResourceFailed, Service
from atoll.testing.asgi import AppClient


class Resource(AbstractAsyncContextManager["Resource"]):
    """Writes down when it starts and stops; fails at either half if told to."""

    def __init__(self, name: str, diary: list[str], *, fails_at: str = "") -> None:
        self._name = name
        self._diary = diary
        self._fails_at = fails_at

    def __repr__(self) -> str:
        return f"resource {self._name}"

    async def __aenter__(self) -> "Resource":
        if self._fails_at == "start":
            raise OSError("no such file")
        self._diary.append(f"{self._name} starts")
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert exc is None, "resources are not told of the errors of others"
        self._diary.append(f"{self._name} stops")
        if self._fails_at == "stop":
            raise OSError("disk is full")


async def nothing() -> None: ...


@pytest.fixture
def diary() -> list[str]:
    return []


async def test_resources_start_in_order_and_stop_in_reverse(diary: list[str]) -> None:
    service = Service("test", resources=[Resource(name, diary) for name in "abc"])
    async with AppClient(service.app) as client:
        answer = await client.get("/health")
        diary.append(str(answer.status))

    assert ["a starts", "b starts", "c starts", "200", "c stops", "b stops", "a stops"] == diary


async def test_when_the_third_fails_to_start_the_first_two_are_closed(diary: list[str]) -> None:
    resources = [Resource("a", diary), Resource("b", diary), Resource("c", diary, fails_at="start")]

    with pytest.raises(ResourceFailed, match=r"^resource c failed to start: no such file$") as caught:
        async with Service("test", resources=[*resources, Resource("d", diary)]).running():
            diary.append("running")

    assert ["a starts", "b starts", "b stops", "a stops"] == diary
    assert ("start", resources[2]) == (caught.value.half, caught.value.resource)
    assert isinstance(caught.value.__cause__, OSError)


async def test_when_one_fails_to_stop_the_others_are_closed_all_the_same(diary: list[str]) -> None:
    resources = [Resource("a", diary), Resource("b", diary, fails_at="stop"), Resource("c", diary)]

    with capture_logs() as logs, pytest.raises(ResourceFailed, match=r"^resource b failed to stop: disk is full$"):
        async with Service("test", resources=resources).running():
            diary.clear()

    assert ["c stops", "b stops", "a stops"] == diary
    assert [("resource failed to stop", "resource b")] == [(line["event"], line["resource"]) for line in logs]


async def test_a_failure_to_start_reaches_the_server_by_the_lifespan_protocol(diary: list[str]) -> None:
    service = Service("test", resources=[Resource("a", diary, fails_at="start")])

    with pytest.raises(RuntimeError, match="resource a failed to start: no such file"):
        await AppClient(service.app).__aenter__()


async def test_a_resource_without_a_name_is_told_by_its_class() -> None:
    class Broken(AbstractAsyncContextManager[None]):
        async def __aexit__(self, *_: object) -> None: ...

        async def __aenter__(self) -> None:
            raise OSError

    with pytest.raises(ResourceFailed, match=r"Broken failed to start: OSError$"):
        async with Service("test", resources=[Broken()]).running():
            pass


async def test_a_resource_that_is_a_function_is_told_by_its_name() -> None:
    @asynccontextmanager
    async def opened() -> AsyncIterator[None]:
        raise OSError
        yield

    with pytest.raises(ResourceFailed, match=r"^opened failed to start: OSError$"):
        async with Service("test", resources=[opened()]).running():
            pass


async def test_jobs_run_between_start_and_stop_and_end_before_the_resources(diary: list[str]) -> None:
    started = asyncio.Event()

    async def job() -> None:
        diary.append("job starts")
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            diary.append("job ends")

    async with Service("test", resources=[Resource("a", diary)], jobs={"job": job}).running():
        await started.wait()

    assert ["a starts", "job starts", "job ends", "a stops"] == diary


async def test_a_job_may_end_by_itself() -> None:
    ended = asyncio.Event()

    async def job() -> None:
        ended.set()

    service = Service("test", jobs={"job": job})
    async with service.running():
        await ended.wait()
        failure = asyncio.ensure_future(service.job_failure())
        await asyncio.sleep(0)

        assert not failure.done()
        failure.cancel()


async def test_an_uncaught_error_of_a_job_is_logged_whole_and_reported() -> None:
    error = RuntimeError("lost")

    async def job() -> None:
        raise error

    service = Service("test", jobs={"settling": job})
    with capture_logs() as logs:
        async with service.running():
            failure = await asyncio.wait_for(service.job_failure(), 5)

    assert isinstance(failure, JobFailed)
    assert ("settling", error) == (failure.job, failure.__cause__)
    assert [("job failed", "settling", True)] == [(line["event"], line["job"], line["exc_info"]) for line in logs]
    assert "settling has failed" in repr(service)


async def test_the_first_failure_is_the_one_reported() -> None:
    first_failed = asyncio.Event()

    async def first() -> None:
        first_failed.set()
        raise RuntimeError("first")

    async def second() -> None:
        await first_failed.wait()
        raise RuntimeError("second")

    service = Service("test", jobs={"second": second, "first": first})
    async with service.running():
        await service.job_failure()
        await asyncio.sleep(0)
        failure = await service.job_failure()

    assert "first" == failure.job


async def test_one_failed_job_leaves_the_others_running_until_the_stop(diary: list[str]) -> None:
    async def failing() -> None:
        raise RuntimeError("lost")

    async def steady() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            diary.append("steady was cancelled")
            raise

    service = Service("test", jobs={"failing": failing, "steady": steady})
    async with service.running():
        await service.job_failure()
        assert [] == diary

    assert ["steady was cancelled"] == diary


async def test_a_job_that_does_not_stop_is_named_and_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atoll.running.JOB_STOP_TIMEOUT", 0.01)
    release, started = asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        started.set()
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()

    with capture_logs() as logs:
        async with Service("test", jobs={"stubborn": stubborn}).running():
            await started.wait()
    release.set()

    assert [("job does not stop", "stubborn")] == [(line["event"], line["job"]) for line in logs]


async def test_health_tells_of_the_process() -> None:
    answer = await AppClient(Service("orders", version="1.2.3").app).get("/health")

    assert 200 == answer.status
    assert {"status", "service", "timestamp", "uptime", "memory", "pid", "version"} == answer.json().keys()
    assert ("healthy", "orders", "1.2.3") == (
        answer.json()["status"],
        answer.json()["service"],
        answer.json()["version"],
    )


async def test_ready_runs_each_check_by_name() -> None:
    async def broken() -> None:
        raise OSError("connection refused")

    ready = await AppClient(Service("test", readiness={"database": nothing}).app).get("/ready")
    unready = await AppClient(Service("test", readiness={"database": nothing, "broker": broken}).app).get("/ready")

    assert (200, ["database"]) == (ready.status, list(ready.json()["checks"]))
    assert (503, "down", "connection refused") == (
        unready.status,
        unready.json()["checks"]["broker"]["status"],
        unready.json()["checks"]["broker"]["detail"],
    )


async def test_requests_are_counted_by_the_template_of_their_route() -> None:
    async def one(order_id: str) -> list[str]:
        return [order_id]

    client = AppClient(Service("test", [Route("GET", "/orders/{order_id}", one)]).app)
    for target in ("/orders/1", "/orders/2", "/orders/2?x=1", "/nowhere/1", "/nowhere/2"):
        await client.get(target)
    await client.request("BREW", "/orders/1")
    exposed = (await client.get("/metrics")).body.decode()

    def count(method: str, status: int, route: str) -> str:
        labels = f'http_request_method="{method}",http_response_status_code="{status}",http_route="{route}"'
        return f"http_server_request_duration_seconds_count{{{labels}}}"

    assert f"{count('GET', 200, '/orders/{order_id}')} 2.0" in exposed
    assert f"{count('GET', 422, '/orders/{order_id}')} 1.0" in exposed
    assert f"{count('GET', 404, '')} 2.0" in exposed
    assert f"{count('_OTHER', 405, '/orders/{order_id}')} 1.0" in exposed
    assert "http_server_active_requests 1.0" in exposed


async def test_metrics_may_go_to_a_registry_of_the_owner() -> None:
    registry = CollectorRegistry()
    await AppClient(Service("test", metrics=registry).app).get("/health")

    assert 1.0 == registry.get_sample_value(
        "http_server_request_duration_seconds_count",
        {"http_route": "/health", "http_request_method": "GET", "http_response_status_code": "200"},
    )


async def test_a_route_of_the_services_own_takes_the_place_of_ours() -> None:
    async def health() -> list[str]:
        return ["mine"]

    client = AppClient(Service("test", [Route("GET", "/health", health)]).app)

    assert ["mine"] == (await client.get("/health")).json()
    assert 200 == (await client.get("/ready")).status


async def test_services_share_nothing_in_one_process() -> None:
    one, other = AppClient(Service("one").app), AppClient(Service("other").app)
    await one.get("/nowhere")
    exposed = (await other.get("/metrics")).body.decode()

    assert 'http_response_status_code="404"' not in exposed


async def test_many_requests_at_once_keep_their_own_context() -> None:
    from atoll import context

    async def trace(name: str) -> list[str]:
        await asyncio.sleep(0)
        request = context.current.get()
        assert request is not None
        return [name, request.request_id]

    client = AppClient(Service("test", [Route("GET", "/x/{name}", trace)]).app)
    answers = await asyncio.gather(*(client.get(f"/x/{i}", headers={"X-Request-Id": str(i)}) for i in range(50)))

    assert [[str(i), str(i)] for i in range(50)] == [answer.json() for answer in answers]


def test_a_service_shows_itself() -> None:
    service = Service("orders", [Route("GET", "/x", nothing)], jobs={"settling": nothing})

    assert "<Service orders: 1 routes, <Jobs: settling>>" == repr(service)
