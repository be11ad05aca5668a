"""What is told of calls to those who run the system."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from atoll.calls import CallPolicy, RetryPolicy, ServiceClient, UpstreamProblem
from atoll.calls.metrics import CallMetrics
from atoll.discovery.directory import FixedDirectory
from atoll.neighbours import Neighbours
from atoll.runner.calls_status import CallsStatus, calls_in
from atoll.service import Service
from atoll.settings import ServiceSettings
from atoll.testing.asgi import AppClient
from atoll.testing.scripted_server import Peer, ScriptedServer, answer_all

COUNT = "http_client_request_duration_seconds_count"


async def busy_twice(peer: Peer) -> None:
    for _ in range(2):
        await peer.request()
        await peer.answer(status=503)
    await answer_all(peer)


async def test_attempts_retries_breakers_and_budget_are_in_the_metrics() -> None:
    registry = CollectorRegistry()
    policy = CallPolicy(retry=RetryPolicy(initial_backoff=0.0))
    async with (
        ScriptedServer(busy_twice) as server,
        ServiceClient("products", FixedDirectory({"products": server.url}), policy=policy) as client,
    ):
        CallMetrics(registry).watch(client)
        await client.put("/")
        address = server.url.removeprefix("http://")
        lines = generate_latest(registry).decode().splitlines()

        assert {
            f'{COUNT}{{http_request_method="PUT",outcome="503",peer_service="products"}} 2.0',
            f'{COUNT}{{http_request_method="PUT",outcome="ok",peer_service="products"}} 1.0',
            'atoll_call_retries_total{peer_service="products"} 2.0',
            'atoll_call_retry_budget_left{peer_service="products"} 98.2',
            'atoll_call_ejections_total{peer_service="products"} 0.0',
            'atoll_call_bulkhead_in_use{peer_service="products"} 0.0',
            f'atoll_call_circuit_breaker_state{{peer_instance="{address}",peer_service="products",state="closed"}} 1.0',
        } <= set(lines)


async def test_the_status_reads_them() -> None:
    registry = CollectorRegistry()
    async with (
        ScriptedServer(answer_all) as server,
        ServiceClient("products", FixedDirectory({"products": server.url})) as client,
    ):
        CallMetrics(registry).watch(client)
        await client.put("/")
        client.upstreams.current()[0].breaker.force_open()
        told = calls_in(generate_latest(registry).decode())

        instances = {server.url.removeprefix("http://"): "forced_open"}
        assert told == [CallsStatus("products", instances, retries=0, retries_left=100.2, ejections=0)]


async def test_a_service_tells_how_it_calls_its_neighbours() -> None:
    class Settings(ServiceSettings, frozen=True, kw_only=True):
        products_url: str

    async def broken(peer: Peer) -> None:
        await peer.request()
        await peer.answer(status=500)

    async with ScriptedServer(broken) as server:
        neighbours = Neighbours("orders", Settings(products_url=server.url), "products")
        products = neighbours.client("products")
        async with AppClient(Service("orders", resources=[neighbours]).app) as app:
            with pytest.raises(UpstreamProblem):
                await products.post("/")
            metrics = (await app.get("/metrics")).body.decode()

        assert neighbours.client("products") is products
        assert 'outcome="500",peer_service="products"} 1.0' in metrics
