"""New routes and limits in a gateway that runs: nothing is dropped, and a mistake changes nothing."""

from pathlib import Path
from typing import Any

import pytest

from atoll.gateway.reloading import Reloading
from atoll.gateway.settings import GatewaySettings, LimitSettings, RouteSettings
from atoll.settings import Mistake, SettingsInvalid
from atoll.testing.raw_http import connected
from atoll.testing.scripted_server import Peer, ScriptedServer, answer_all

Instances = Any
OpenDoor = Any

GET = b"GET /api/%b HTTP/1.1\r\nHost: x\r\n\r\n"


def system(path: str, limit: str = "10 per min") -> str:
    return f"""
[gateway.limits]
default = {{ address = "{limit}" }}

[[gateway.routes]]
path = "{path}"
to = "things"
access = "public"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "atoll.toml"
    path.write_text(system("/old"))
    monkeypatch.setenv("ATOLL_CONFIG", str(path))
    return path


def rewrite(file: Path, text: str) -> None:
    file.write_text(text)


def reloading_of(door: Any) -> Reloading:
    (found,) = (each for each in door.program.service._resources if isinstance(each, Reloading))
    return found


async def test_routes_change_under_open_connections_and_requests_in_hand(
    open_door: OpenDoor, instances: Instances, file: Path
) -> None:
    async def slow_first(peer: Peer) -> None:
        if peer.number == 1:
            await peer.request()
            reloaded.append(reloading_of(door).reload())
            await peer.answer(b"old")
        else:
            await answer_all(peer)

    reloaded: list[bool] = []
    async with ScriptedServer(slow_first) as things:
        routes = [RouteSettings(path="/old", to="things", access="public")]
        door = await open_door(instances(things=things.port), routes=routes)
        rewrite(file, system("/new"))
        async with connected(door.port) as client:
            statuses = [(await client.request(GET % name)).status for name in (b"old", b"old", b"new")]

    assert reloaded == [True]
    assert statuses == [200, 404, 200]


async def test_counts_of_limits_that_stay_the_same_go_on(open_door: OpenDoor, instances: Instances, file: Path) -> None:
    async with ScriptedServer(answer_all) as things:
        routes = [RouteSettings(path="/old", to="things", access="public")]
        limits = {"default": LimitSettings(address="10 per min")}
        door = await open_door(instances(things=things.port), routes=routes, request_limits=limits)
        await door.ask(GET % b"old")
        reloading_of(door).reload()
        same = await door.ask(GET % b"old")
        rewrite(file, system("/old", "5 per min"))
        reloading_of(door).reload()
        other = await door.ask(GET % b"old")

    assert same.fields["ratelimit"].startswith('"default";r=8;')
    assert other.fields["ratelimit"].startswith('"default";r=4;')


@pytest.mark.parametrize("wrong", ["nonsense", system("no slash"), system("/old", "many per min")])
async def test_what_cannot_be_used_changes_nothing(
    open_door: OpenDoor, instances: Instances, file: Path, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with ScriptedServer(answer_all) as things:
        door = await open_door(
            instances(things=things.port), routes=[RouteSettings(path="/old", to="things", access="public")]
        )
        rewrite(file, wrong)
        reloaded = reloading_of(door).reload()
        answer = await door.ask(GET % b"old")

    assert not reloaded
    assert answer.status == 200
    assert "the old ones stay" in capsys.readouterr().out


def test_what_needs_a_restart_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    before, after = GatewaySettings(port=1), GatewaySettings(port=2, max_in_flight=7)
    applied: list[GatewaySettings] = []
    Reloading(before, applied.append, lambda: after).reload()

    assert applied == [after]
    assert "need_a_restart='port, max_in_flight'" in capsys.readouterr().out.replace('"', "'")


def test_a_mistake_that_only_shows_when_applied_is_told_too() -> None:
    def apply(_: GatewaySettings) -> None:
        raise SettingsInvalid("gateway", [Mistake("Limits:", "no good.")])

    assert not Reloading(GatewaySettings(), apply, GatewaySettings).reload()
