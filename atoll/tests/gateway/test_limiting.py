"""Requests are counted at the door: for whom they prove to come from, and never above a limit in any window."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atoll.client_address import TrustedProxies
from atoll.gateway.caller import Caller
from atoll.gateway.limiting import RequestLimits
from atoll.gateway.limits import limits_in
from atoll.gateway.settings import GatewaySettings, LimitSettings, RouteSettings
from atoll.gateway.visit import Visit
from atoll.http1.request_head import RequestFields, RequestHead
from atoll.identity.keys import KeyRing, SigningKey
from atoll.identity.tokens import TokenIssuer
from atoll.limits.limiter import LocalLimiter
from atoll.limits.policy import LimitPolicy
from atoll.limits.sliding_window import SlidingWindow
from atoll.testing.clock import ManualClock
from atoll.testing.eventually import eventually
from atoll.testing.raw_http import RawAnswer, connected
from atoll.testing.scripted_server import ScriptedServer, answer_all
from atoll.testing.valkey_server import valkey_server

Instances = Any
OpenDoor = Any

WINDOW = 900
LIMITS = {
    "default": LimitSettings(address="5 per 15 min", user="8 per 15 min"),
    "strict": LimitSettings(address="2 per 15 min"),
}
ROUTES = (
    RouteSettings(path="/things", to="things", access="public"),
    RouteSettings(path="/mine", to="things", access="user"),
    RouteSettings(path="/costly", to="things", access="public", cost=3),
    RouteSettings(path="/free", to="things", access="public", cost=0),
    RouteSettings(path="/sign-in", to="things", access="public", limit="strict"),
    RouteSettings(path="/ruled", to="things", access="admin"),
)
PROXIED = {"trusted_proxies": ("127.0.0.1",)}


def request(path: str, token: str = "", client: str = "") -> bytes:
    fields = [f"Authorization: Bearer {token}"] * bool(token) + [f"X-Forwarded-For: {client}"] * bool(client)
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: shop.example", *fields, "", ""]).encode()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def issuer(ring: KeyRing, clock: ManualClock) -> TokenIssuer:
    return TokenIssuer(ring, clock=clock, lifetime=10**9)


class Counted(NamedTuple):
    """A door with small limits, what is behind it, and its time."""

    door: Any
    things: ScriptedServer

    async def statuses(self, *requests: bytes) -> list[int]:
        return [(await self.door.ask(each)).status for each in requests]


@pytest.fixture
async def counted(open_door: OpenDoor, instances: Instances, clock: ManualClock) -> Any:
    async with ScriptedServer(answer_all) as things:
        door = await open_door(
            instances(things=things.port), routes=ROUTES, request_limits=LIMITS, clock=clock, **PROXIED
        )
        yield Counted(door, things)


async def test_an_answer_tells_what_is_left(counted: Counted) -> None:
    first = await counted.door.ask(request("/api/things"))
    third = [await counted.door.ask(request("/api/things")) for _ in range(2)][-1]

    assert first.fields["ratelimit-policy"] == '"default";q=5;w=900'
    assert first.fields["ratelimit"].startswith('"default";r=4;t=9')
    assert third.fields["ratelimit"].startswith('"default";r=2;t=9')


async def test_beyond_the_limit_nothing_goes_further(counted: Counted) -> None:
    statuses = await counted.statuses(*[request("/api/things")] * 6)
    refused: RawAnswer = await counted.door.ask(request("/api/things"))

    assert [200] * 5 + [429] == statuses
    assert len(counted.things.requests) == 5
    assert refused.fields["content-type"] == "application/problem+json"
    assert refused.json()["error"] == "No more than 5 requests in 15 minutes may be asked here."
    assert refused.fields["ratelimit"].startswith('"default";r=0;t=9')
    assert 900 <= int(refused.fields["retry-after"]) <= 900 + WINDOW / 64 + 1


async def test_whoever_waits_as_told_gets_through(counted: Counted, clock: ManualClock) -> None:
    await counted.statuses(*[request("/api/things")] * 5)
    refused = await counted.door.ask(request("/api/things"))
    await clock.advance(int(refused.fields["retry-after"]))

    assert [200] == await counted.statuses(request("/api/things"))


async def test_whoever_is_signed_in_counts_for_themselves_wherever_they_are(
    counted: Counted, issuer: TokenIssuer
) -> None:
    ann, bob = issuer.issue("ann"), issuer.issue("bob")
    anns = await counted.statuses(
        *[request("/api/mine", ann, "192.0.2.1")] * 4, *[request("/api/things", ann, "192.0.2.2")] * 5
    )
    others = await counted.statuses(request("/api/mine", bob, "192.0.2.1"), request("/api/things", client="192.0.2.1"))

    assert [200] * 8 + [429] == anns
    assert [200, 200] == others


async def test_a_token_that_proves_nobody_counts_for_its_address(counted: Counted) -> None:
    forged = TokenIssuer(KeyRing([SigningKey.generate()])).issue("ann")
    statuses = await counted.statuses(
        request("/api/mine", forged),
        request("/api/mine", "nonsense"),
        request("/api/mine"),
        request("/api/things", forged),
        request("/api/things"),
        request("/api/things", forged),
        request("/api/mine", forged),
        request("/api/mine"),
    )

    assert [401, 401, 401, 200, 200, 429, 429, 429] == statuses


async def test_a_new_token_is_not_even_looked_at_where_the_address_has_used_up_its_limit(
    counted: Counted, issuer: TokenIssuer
) -> None:
    known, unknown = issuer.issue("ann"), issuer.issue("ann")
    await counted.statuses(request("/api/mine", known), *[request("/api/things")] * 5)

    assert [200, 429, 429] == await counted.statuses(
        request("/api/mine", known), request("/api/mine", unknown), request("/api/things", unknown)
    )
    assert [200] == await counted.statuses(request("/api/mine", unknown, "192.0.2.1"))


async def test_who_may_not_do_it_uses_the_limit_too(counted: Counted, issuer: TokenIssuer) -> None:
    token = issuer.issue("ann")

    assert [403] * 8 + [429] == await counted.statuses(*[request("/api/ruled", token)] * 9)


async def test_a_route_may_have_a_limit_of_its_own(counted: Counted, issuer: TokenIssuer) -> None:
    token = issuer.issue("ann")
    statuses = await counted.statuses(
        *[request("/api/sign-in")] * 2, request("/api/sign-in", token), request("/api/things")
    )

    assert [200, 200, 429, 200] == statuses


async def test_a_costly_request_uses_more(counted: Counted) -> None:
    statuses = await counted.statuses(
        request("/api/costly"), request("/api/costly"), request("/api/things"), request("/api/things"),
        request("/api/things"), request("/api/free"),
    )  # fmt: skip

    assert [200, 429, 200, 200, 429, 200] == statuses


async def test_asking_for_what_is_not_there_counts_and_asking_for_health_does_not(counted: Counted) -> None:
    nothing = [request("/api/nothing"), request("/elsewhere"), b"PUT /api/x HTTP/1.1\r\nHost: a\r\n\r\n"]
    statuses = await counted.statuses(*nothing, *nothing, request("/health"))

    assert [404, 404, 404, 404, 404, 429, 200] == statuses


async def test_only_a_trusted_proxy_is_believed(open_door: OpenDoor, instances: Instances, clock: ManualClock) -> None:
    async with ScriptedServer(answer_all) as things:
        door = await open_door(instances(things=things.port), routes=ROUTES, request_limits=LIMITS, clock=clock)
        made_up = [request("/api/things", client=f"192.0.2.{number}") for number in range(6)]

        assert [200] * 5 + [429] == [(await door.ask(each)).status for each in made_up]


async def test_an_ipv6_address_counts_with_its_network(counted: Counted) -> None:
    same = [request("/api/things", client=f"2001:db8::{number}") for number in range(1, 7)]
    other = request("/api/things", client="2001:db8:0:1::1")
    mapped = [request("/api/things", client=each) for each in ("::ffff:192.0.2.9", "192.0.2.9")]

    assert [200] * 5 + [429] == await counted.statuses(*same)
    assert [200] == await counted.statuses(other)
    assert ["4", "3"] == [(await counted.door.ask(each)).fields["ratelimit"].split(";")[1][2:] for each in mapped]


async def test_problems_of_every_kind_tell_what_is_left(
    open_door: OpenDoor, instances: Instances, clock: ManualClock
) -> None:
    door = await open_door(instances(), routes=ROUTES, request_limits=LIMITS, clock=clock)
    answers = [await door.ask(request(path)) for path in ("/api/things", "/api/mine", "/api/nothing")]

    assert [503, 401, 404] == [answer.status for answer in answers]
    assert ["4", "3", "2"] == [answer.fields["ratelimit"].split(";")[1][2:] for answer in answers]


async def test_decisions_are_counted_for_prometheus(counted: Counted, issuer: TokenIssuer) -> None:
    await counted.statuses(request("/api/mine", issuer.issue("ann")), *[request("/api/things")] * 6)
    metrics = (await counted.door.ask_ops(request("/metrics"))).body.decode()

    assert 'gateway_limit_decisions_total{decision="allowed",policy="default"} 5.0' in metrics
    assert 'gateway_limit_decisions_total{decision="refused",policy="default"} 1.0' in metrics
    assert 'gateway_limit_decisions_total{decision="allowed",policy="default-user"} 1.0' in metrics


def test_the_fields_are_those_of_the_decision(clock: ManualClock) -> None:
    head = RequestHead(b"GET", b"/", 1, RequestFields())
    asking = Visit(head, Caller(head, "192.0.2.1", TrustedProxies()), 0.0, b"", b"")
    limits = RequestLimits(limits_in(GatewaySettings(limits=LIMITS)), LocalLimiter(clock))
    limits.named("default").count(2, asking)
    decision = SlidingWindow(LimitPolicy("default", 5, WINDOW)).take(0.0, 2)
    expected = {f"{name.lower()}: {value}" for name, value in decision.headers().items()}

    assert expected == set(asking.limit_fields.decode().split("\r\n")) - {""}


CLIENTS = ("192.0.2.1", "2001:db8::1", "2001:db8::2")
steps = st.tuples(
    st.sampled_from((0.0, 0.01, 14.0, 100.0, 450.0, 899.0)),
    st.sampled_from(CLIENTS),
    st.sampled_from(("", "ann", "bob", "nobody")),
    st.sampled_from(("/api/things", "/api/mine", "/api/costly", "/api/sign-in", "/api/nothing")),
)
COSTS = {"/api/costly": 3}


class Passed(NamedTuple):
    """A request that was not refused with 429."""

    moment: float
    cost: int


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(steps, min_size=10, max_size=60))
async def test_no_window_ever_holds_more_than_the_limit(
    counted: Counted, clock: ManualClock, issuer: TokenIssuer, steps: Sequence[tuple[float, str, str, str]]
) -> None:
    tokens = {"": "", "ann": issuer.issue("ann"), "bob": issuer.issue("bob"), "nobody": "nonsense"}
    passed: dict[tuple[str, str], list[Passed]] = defaultdict(list)
    await clock.advance(2 * WINDOW)  # what was before is forgotten

    async with connected(counted.door.port) as client:
        for pause, address, caller, path in steps:
            await clock.advance(pause)
            answer = await client.request(request(path, tokens[caller], address))
            if answer.status != 429:
                passed[counted_for(address, caller, path)].append(Passed(clock.monotonic(), COSTS.get(path, 1)))

    for (policy, _), through in passed.items():
        for start, _cost in through:
            used = sum(cost for moment, cost in through if start <= moment < start + WINDOW)
            assert used <= QUOTAS[policy]


QUOTAS = {"default": 5, "default-user": 8, "strict": 2}


def counted_for(address: str, caller: str, path: str) -> tuple[str, str]:
    """The policy that holds and whose window it is, worked out by other means than the gateway's."""
    place = address if "." in address else address[:9]
    if path == "/api/sign-in":
        return "strict", place
    if path != "/api/nothing" and caller in {"ann", "bob"}:
        return "default-user", caller
    return "default", place


async def test_two_gateways_with_one_store_let_pass_no_more_than_one_would(
    open_door: OpenDoor, instances: Instances
) -> None:
    limits = {"default": LimitSettings(address="40 per 15 min")}
    async with valkey_server() as valkey, ScriptedServer(answer_all) as things:
        doors = [
            await open_door(
                instances(things=things.port), routes=ROUTES[:1], request_limits=limits, limits_url=valkey.url
            )
            for _ in range(2)
        ]
        raw = request("/api/things")
        answers = await asyncio.gather(*(door.ask(raw) for _ in range(30) for door in doors))
        shared = (await doors[0].ask_ops(request("/metrics"))).body.decode()
        await valkey.kill()

        async def counts_alone() -> bool:
            await doors[0].ask(raw)
            return "gateway_limits_shared 0.0" in (await doors[0].ask_ops(request("/metrics"))).body.decode()

        await eventually(counts_alone)
    passed = sum(each.status == 200 for each in answers)

    assert {each.status for each in answers} == {200, 429}
    assert 30 <= passed <= 40  # what one has taken ahead, the other cannot use just then
    assert "gateway_limits_shared 1.0" in shared
