"""The gateway over real sockets: who gets where, and what is answered when not."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from atoll.gateway.app import create_gateway
from atoll.gateway.settings import GatewaySettings, RouteSettings, addresses_in
from atoll.http1.server_limits import ServerLimits
from atoll.identity.keys import KeyRing, SigningKey
from atoll.identity.tokens import TokenIssuer
from atoll.problems import Unavailable
from atoll.settings import SettingsInvalid, load_settings
from atoll.testing.raw_http import RawAnswer, connected
from atoll.testing.scripted_server import Peer, ScriptedServer, answer_all

Instances = Any
OpenDoor = Any


def request(method: str, path: str, *fields: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: shop.example", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def problem_of(answer: RawAnswer) -> tuple[int, str]:
    """The status and the sentence of a problem that keeps the form."""
    told = answer.json()
    assert answer.fields["content-type"] == "application/problem+json"
    assert told["status"] == answer.status
    assert told["error"] == told["detail"]
    assert len(told["traceId"]) == 32
    return answer.status, told["detail"]


async def test_a_request_goes_to_its_service_below_the_prefix(open_door: OpenDoor, instances: Instances) -> None:
    async with ScriptedServer(answer_all) as things, ScriptedServer(answer_all) as parts:
        door = await open_door(instances(things=things.port, parts=parts.port))
        await door.ask(request("GET", "/api/things?a=b/../c&d=%2f"))
        await door.ask(request("GET", "/api/v1/things"))
        await door.ask(request("GET", "/api/things/1/parts/2/x"))

    assert [each.target for each in things.requests] == ["/things?a=b/../c&d=%2f", "/things"]
    assert [each.target for each in parts.requests] == ["/things/1/parts/2/x"]


async def test_the_rule_and_the_service_see_one_canonical_path(
    open_door: OpenDoor, instances: Instances, token: str
) -> None:
    async with ScriptedServer(answer_all) as things:
        door = await open_door(instances(things=things.port))
        await door.ask(request("GET", "/api/%74hings/%41%20b", f"Authorization: Bearer {token}"))
        tricks = [
            await door.ask(request("GET", path)) for path in ("/api/things/%2e%2e/x", "/api//things", "/api/a%2fb")
        ]

    assert [each.target for each in things.requests] == ["/things/A%20b"]
    assert [problem_of(each)[0] for each in tricks] == [400, 400, 400]


async def test_what_is_forwarded_is_written_anew(open_door: OpenDoor, instances: Instances) -> None:
    async with ScriptedServer(answer_all) as things:
        door = await open_door(instances(things=things.port))
        await door.ask(
            request(
                "GET",
                "/api/things",
                "X-Forwarded-For: 6.6.6.6",
                "X-User-Id: 1",
                "Connection: close, X-Hop",
                "X-Hop: 1",
                "Accept:  text/plain  ",
                "Accept: text/html",
                "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            )
        )
    sent = things.requests[0].fields

    assert sent["host"] == f"127.0.0.1:{things.port}"
    assert sent["accept"] == "text/plain, text/html"
    assert sent["x-forwarded-for"] == "127.0.0.1"
    assert sent["x-forwarded-proto"] == "http"
    assert sent["x-forwarded-host"] == "shop.example"
    assert sent["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert sent["atoll-remaining-ms"] == "10000"
    assert not {"x-user-id", "connection", "x-hop", "content-length"} & sent.keys()


async def test_a_trusted_proxy_may_say_for_whom_it_asks(open_door: OpenDoor, instances: Instances) -> None:
    async with ScriptedServer(answer_all) as things:
        door = await open_door(instances(things=things.port), trusted_proxies=("127.0.0.0/8",))
        told = ["X-Forwarded-For: 6.6.6.6, 9.9.9.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.test"]
        await door.ask(request("GET", "/api/things", *told))
    sent = things.requests[0].fields

    assert sent["x-forwarded-for"] == "9.9.9.9"
    assert (sent["x-forwarded-proto"], sent["x-forwarded-host"]) == ("https", "shop.test")


async def test_the_answer_is_the_services_with_our_request_id(open_door: OpenDoor, instances: Instances) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.answer(
            b"teapot", status=418, fields="X-Mine: 1\r\nConnection: X-Hop\r\nX-Hop: 1\r\nSet-Cookie: a\r\n"
        )

    async with ScriptedServer(script) as things:
        door = await open_door(instances(things=things.port))
        answer = await door.ask(request("GET", "/api/things"))

    assert (answer.status, answer.body) == (418, b"teapot")
    assert (answer.fields["x-mine"], answer.fields["set-cookie"]) == ("1", "a")
    assert answer.fields["x-request-id"] == things.requests[0].fields["x-request-id"]
    assert "x-hop" not in answer.fields


@pytest.mark.parametrize(
    "path",
    ["/", "/metrics", "/docs", "/openapi.json", "/ready", "/things", "/api", "/api/", "/api/registry/services",
     "/api/console", "/api/metrics", "/health/", "/api/health", "/api/v2/things", "/api/Things", "/api/things/"],
)  # fmt: skip
async def test_what_is_not_routed_does_not_exist(open_door: OpenDoor, instances: Instances, path: str) -> None:
    async with ScriptedServer(answer_all) as things:
        door = await open_door(instances(things=things.port))
        answer = await door.ask(request("GET", path))

    assert problem_of(answer) == (404, f"There is nothing at {path}.")
    assert answer.json()["instance"] == path


async def test_a_method_without_a_rule_is_405_and_says_which_have(open_door: OpenDoor, instances: Instances) -> None:
    door = await open_door(instances())
    answer = await door.ask(request("PATCH", "/api/things"))

    assert problem_of(answer)[0] == 405
    assert answer.fields["allow"] == "DELETE, GET, HEAD, POST, PUT"


async def test_health_is_the_gateways_own(open_door: OpenDoor, instances: Instances) -> None:
    door = await open_door(instances())
    answer = await door.ask(request("GET", "/health"))
    head = await door.ask(request("HEAD", "/health"))
    post = await door.ask(request("POST", "/health"))

    assert answer.json().keys() == {"status", "service", "timestamp"}
    assert (answer.json()["status"], answer.json()["service"]) == ("healthy", "gateway")
    assert (head.status, head.body) == (200, b"")
    assert problem_of(post)[0] == 405


class TestAccess:
    async def test_a_good_token_passes_and_is_passed_on(
        self, open_door: OpenDoor, instances: Instances, token: str
    ) -> None:
        async with ScriptedServer(answer_all) as things:
            door = await open_door(instances(things=things.port))
            raw = request("GET", "/api/things/1", f"Authorization: Bearer {token}")
            statuses = [(await door.ask(raw)).status for _ in range(2)]

        assert statuses == [200, 200]
        assert [each.fields["authorization"] for each in things.requests] == [f"Bearer {token}"] * 2

    async def test_without_a_good_token_it_is_401(self, open_door: OpenDoor, instances: Instances, token: str) -> None:
        stranger = TokenIssuer(KeyRing([SigningKey.generate()])).issue("somebody", ["admin"])
        bad = [
            "X-Nothing: 1",
            "Authorization: Bearer",
            "Authorization: Bearer nonsense",
            "Authorization: Bearer \xe4",
            f"Authorization: Basic {token}",
            f"Authorization: Bearer {token[:-2]}",
            f"Authorization: Bearer {token}\r\nAuthorization: Bearer {token}",
            f"Authorization: Bearer {stranger}",
            f"Connection: Authorization\r\nAuthorization: Bearer {token}",
        ]
        async with ScriptedServer(answer_all) as things:
            door = await open_door(instances(things=things.port))
            answers = [await door.ask(request("GET", "/api/things/1", each)) for each in bad]

        assert [problem_of(each) for each in answers] == [(401, "A valid access token is needed.")] * len(bad)
        assert all(each.fields["www-authenticate"] == "Bearer" for each in answers)
        assert things.requests == []

    async def test_an_expired_token_is_401_even_when_it_was_good_before(
        self, open_door: OpenDoor, instances: Instances, ring: KeyRing
    ) -> None:
        issuer = TokenIssuer(ring, lifetime=-29)  # within the skew by one second
        async with ScriptedServer(answer_all) as things:
            door = await open_door(instances(things=things.port))
            raw = request("GET", "/api/things/1", f"Authorization: Bearer {issuer.issue('somebody')}")
            first = await door.ask(raw)
            await asyncio.sleep(2.1)
            second = await door.ask(raw)

        assert (first.status, second.status) == (200, 401)

    async def test_without_the_role_it_is_403(
        self, open_door: OpenDoor, instances: Instances, token: str, admin_token: str
    ) -> None:
        async with ScriptedServer(answer_all) as things:
            door = await open_door(instances(things=things.port))
            user = await door.ask(request("DELETE", "/api/things", f"Authorization: Bearer {token}"))
            admin = await door.ask(request("DELETE", "/api/things", f"Authorization: Bearer {admin_token}"))

        assert problem_of(user) == (403, "This needs the role admin.")
        assert admin.status == 200

    async def test_without_keys_nothing_opens(self, open_door: OpenDoor, instances: Instances, token: str) -> None:
        class NoKeys:
            def find(self, kid: str) -> None:
                return None

            async def obtain(self, kid: str) -> None:
                raise Unavailable("Access tokens cannot be checked at the moment.")

        async with ScriptedServer(answer_all) as things:
            door = await open_door(instances(things=things.port), keys=NoKeys())
            answer = await door.ask(request("GET", "/api/things/1", f"Authorization: Bearer {token}"))
            public = await door.ask(request("GET", "/api/things"))

        assert problem_of(answer)[0] == 503
        assert public.status == 200

    async def test_keys_that_never_come_are_503_in_time_and_nothing_is_forwarded(
        self, open_door: OpenDoor, instances: Instances, token: str
    ) -> None:
        class SlowKeys:
            def find(self, kid: str) -> None:
                return None

            async def obtain(self, kid: str) -> None:
                await asyncio.Event().wait()

        async with ScriptedServer(answer_all) as things:
            door = await open_door(instances(things=things.port), keys=SlowKeys(), attempt_timeout=0.05)
            answer = await door.ask(request("GET", "/api/things/1", f"Authorization: Bearer {token}"))

        assert problem_of(answer)[0] == 503
        assert things.requests == []

    async def test_keys_come_from_the_service_that_issues_the_tokens(
        self, open_door: OpenDoor, instances: Instances, ring: KeyRing, token: str
    ) -> None:
        import msgspec

        async def publish(peer: Peer) -> None:
            await answer_all(peer, msgspec.json.encode(ring.jwks()))

        async with ScriptedServer(publish) as users, ScriptedServer(answer_all) as things:
            settings = GatewaySettings(
                port=0, ops_port=0, routes=(RouteSettings(path="/things", to="things", access="user"),)
            )
            environ = {"USERS_URL": users.url, "THING_SERVICE_URL": things.url}
            program = create_gateway(settings, environ=environ)
            door = await open_door.run(program)
            answer = await door.ask(request("GET", "/api/things", f"Authorization: Bearer {token}"))
            ready = await door.ask_ops(request("GET", "/ready"))

        assert answer.status == 200
        assert [each.target for each in users.requests] == ["/.well-known/jwks.json"]
        assert ready.json()["status"] == "ready"
        assert ready.json()["checks"].keys() == {"token keys", "things"}


class TestLimits:
    async def test_a_body_over_the_routes_limit_is_413_before_anything_is_sent(
        self, open_door: OpenDoor, instances: Instances
    ) -> None:
        async with ScriptedServer(answer_all) as things:
            door = await open_door(instances(things=things.port))
            answer = await door.ask(request("POST", "/api/things/small", body=b"x" * 11))
            fits = await door.ask(request("POST", "/api/things/small", body=b"x" * 10))

        assert problem_of(answer)[0] == 413
        assert fits.status == 200
        assert len(things.requests) == 1

    async def test_a_body_in_chunks_over_the_limit_is_413_and_upstream_is_let_go(
        self, open_door: OpenDoor, instances: Instances
    ) -> None:
        async def script(peer: Peer) -> None:
            await peer.head()
            await peer.gone()

        async with ScriptedServer(script) as things:
            door = await open_door(instances(things=things.port))
            async with connected(door.port) as client:
                await client.send(
                    b"POST /api/things/small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n"
                )
                await client.send(b"6\r\nabcdef\r\n0\r\n\r\n")
                answer = await client.answer()
            await things.until_open_connections(0)

        assert problem_of(answer)[0] == 413

    @pytest.mark.parametrize(
        ("raw", "status"),
        [
            (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
            (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 17_000 + b"\r\n\r\n", 431),
            (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 101 + b"\r\n", 431),
            (b"GET / HTTP/1.1\nHost: x\n\n", 400),
            (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        ],
    )
    async def test_what_the_connection_refuses_is_a_problem_too(
        self, open_door: OpenDoor, instances: Instances, raw: bytes, status: int
    ) -> None:
        door = await open_door(instances())
        answer = await door.ask(raw)

        assert problem_of(answer)[0] == status
        assert answer.fields["connection"] == "close"

    async def test_a_slow_head_and_a_slow_body_are_408(self, open_door: OpenDoor, instances: Instances) -> None:
        limits = ServerLimits(head_timeout=0.05, body_timeout=0.05)

        async def script(peer: Peer) -> None:
            await peer.head()
            await peer.gone()

        async with ScriptedServer(script) as things:
            door = await open_door(instances(things=things.port), limits=limits)
            head = await door.ask(b"GET / HT")
            body = await door.ask(b"POST /api/things HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
            await things.until_open_connections(0)

        assert [problem_of(head)[0], problem_of(body)[0]] == [408, 408]

    async def test_more_in_hand_than_allowed_is_503(self, open_door: OpenDoor, instances: Instances) -> None:
        taken = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            taken.set()
            await peer.gone()

        async with ScriptedServer(script) as things:
            door = await open_door(instances(things=things.port), max_in_flight=1)
            async with connected(door.port) as client:
                await client.send(request("GET", "/api/things"))
                await taken.wait()
                answer = await door.ask(request("GET", "/api/things"))

        assert problem_of(answer)[0] == 503
        assert answer.fields["retry-after"] == "1"


async def test_pipelined_requests_to_different_services_are_answered_in_order(
    open_door: OpenDoor, instances: Instances
) -> None:
    async def slow(peer: Peer) -> None:
        while True:
            await peer.request()
            await asyncio.sleep(0.05)
            await peer.answer(b"slow")

    async def quick(peer: Peer) -> None:
        await answer_all(peer, b"quick")

    async with ScriptedServer(slow) as things, ScriptedServer(quick) as parts:
        door = await open_door(instances(things=things.port, parts=parts.port))
        async with connected(door.port) as client:
            await client.send(
                request("GET", "/api/things")
                + request("GET", "/api/things/1/parts")
                + request("GET", "/nowhere")
                + request("POST", "/api/things", body=b"abc")
            )
            answers = [await client.answer() for _ in range(4)]

    assert [(each.status, each.body[:5]) for each in answers] == [
        (200, b"slow"), (200, b"quick"), (404, b'{"typ'), (200, b"slow")
    ]  # fmt: skip


async def test_load_goes_to_the_instance_with_less_in_hand(open_door: OpenDoor, instances: Instances) -> None:
    async def stuck(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    async with ScriptedServer(stuck) as busy, ScriptedServer(answer_all) as free:
        directory = instances(things=busy.port)
        door = await open_door(directory)
        async with connected(door.port) as client:
            await client.send(request("GET", "/api/things"))
            await busy.until_open_connections(1)
            directory.set("things", busy.port, free.port)
            statuses = {(await door.ask(request("GET", "/api/things"))).status for _ in range(10)}

    assert statuses == {200}


async def test_visits_are_counted_by_route_and_status(open_door: OpenDoor, instances: Instances) -> None:
    async with ScriptedServer(answer_all) as things:
        door = await open_door(instances(things=things.port))
        await door.ask(request("GET", "/api/things"))
        await door.ask(request("GET", "/nowhere"))
        await door.ask(b"nonsense\r\n\r\n")
        metrics = (await door.ask_ops(request("GET", "/metrics"))).body.decode()

    def counted(route: str, status: int, method: str = "GET") -> str:
        labels = f'http_request_method="{method}",http_response_status_code="{status}",http_route="{route}"'
        return f"http_server_request_duration_seconds_count{{{labels}}} 1.0"

    assert counted("/things", 200) in metrics
    assert counted("", 404) in metrics
    assert counted("", 400, "_OTHER") in metrics
    assert "http_server_active_requests 0.0" in metrics


async def test_the_port_for_operations_says_what_is_missing(open_door: OpenDoor, instances: Instances) -> None:
    door = await open_door(instances(things=1))
    ready = await door.ask_ops(request("GET", "/ready"))
    health = await door.ask_ops(request("GET", "/health"))

    assert ready.status == 503
    assert ready.json()["checks"]["things"]["status"] == "up"
    assert ready.json()["checks"]["parts"]["detail"] == "No instance of the parts service is known."
    assert health.json()["service"] == "gateway"


def test_mistakes_in_the_routes_stop_the_start() -> None:
    settings = GatewaySettings(routes=(RouteSettings(path="x", to="y", access="public"),))

    with pytest.raises(SettingsInvalid, match="must begin with a slash"):
        create_gateway(settings, environ={})


def test_the_settings_are_read_from_file_and_environment(tmp_path: Path) -> None:
    file = tmp_path / "atoll.toml"
    file.write_text(
        """
        [services.gateway.settings]
        trusted_proxies = ["10.0.0.0/8"]
        [[gateway.routes]]
        path = "/things/{id}"
        methods = ["GET"]
        to = "things"
        access = "admin"
        """
    )
    settings = load_settings(GatewaySettings, "gateway", {"ATOLL_CONFIG": str(file), "OPS_PORT": "0"})

    assert settings.routes == (RouteSettings(path="/things/{id}", methods=("GET",), to="things", access="admin"),)
    assert (settings.port, settings.ops_port, settings.trusted_proxies) == (3000, 0, ("10.0.0.0/8",))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('path = "/a"\nto = "a"', "access"),
        ('path = "/a"\nto = "a"\naccess = "user"\nmethod = "GET"', "unknown field `method`"),
        ('path = "/a"\nto = "a"\naccess = "user"\nbody_limit = "big"', "body_limit"),
    ],
)
def test_a_mistake_in_a_route_of_the_file_is_told(tmp_path: Path, line: str, sentence: str) -> None:
    file = tmp_path / "atoll.toml"
    file.write_text(f"[[gateway.routes]]\n{line}\n")

    with pytest.raises(SettingsInvalid, match=sentence):
        load_settings(GatewaySettings, "gateway", {"ATOLL_CONFIG": str(file)})


def test_fixed_addresses_come_from_the_environment_and_are_checked() -> None:
    environ = {"USERS_URL": "http://a:1", "ORDER_SERVICE_URL": "http://b:2"}

    assert addresses_in(environ, ["users", "orders", "other"]) == {"users": "http://a:1", "orders": "http://b:2"}
    with pytest.raises(ValueError, match="cannot be where users is; write http://host:port"):
        addresses_in({"USERS_URL": "nonsense"}, ["users"])
