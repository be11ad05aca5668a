"""The life of a process, lived in this one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from atoll.endpoints import Route
from atoll.lifecycle import Address, Program, Stop, SupervisorLine, UvicornListener, run
from atoll.lifecycle.registering import advertised_host
from atoll.service import Service
from atoll.settings import ServiceSettings
from atoll.testing.hammer import Hammer
from atoll.testing.raw_http import connected

NOW = b"GET /now HTTP/1.1\r\nHost: test\r\n\r\n"
SETTINGS = ServiceSettings()


async def now() -> dict[str, str]:
    return {"answer": "now"}


class Heard(SupervisorLine):
    """A supervisor in this process."""

    def __init__(self) -> None:
        super().__init__(None)
        self.words: list[str] = []
        self.ports: dict[str, int] = {}
        self.serving = asyncio.Event()

    def _tell(self, message: Any) -> None:
        self.words += message
        if "ready" in message:
            self.ports = message["ready"]
            self.serving.set()


class Diary:
    """Writes down what happens, in order."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    @asynccontextmanager
    async def resource(self, name: str) -> AsyncIterator[None]:
        self.entries.append(f"{name} in")
        try:
            yield
        finally:
            self.entries.append(f"{name} out")


class Door:
    """A listener that takes nobody in."""

    def __init__(self, diary: Diary, *, drain: Callable[[], None] = lambda: None) -> None:
        self._diary = diary
        self._drain = drain
        self.timeout = 0.0

    async def start(self) -> Address:
        self._diary.entries.append("door starts")
        return Address("127.0.0.1", 7)

    async def stop_accepting(self) -> None:
        self._diary.entries.append("door closes")

    async def drain(self, timeout: float) -> None:
        self.timeout = timeout
        self._diary.entries.append("door drained")
        self._drain()


async def live(program: Service | Program, *, then: Callable[[Heard, Stop], Any], **settings: Any) -> tuple[int, Heard]:
    """Run the program, do `then` when it serves, and tell how it ended."""
    stop, heard = Stop(), Heard()
    running = asyncio.create_task(run(program, ServiceSettings(**settings), stop=stop, line=heard))
    serving = asyncio.create_task(heard.serving.wait())
    await asyncio.wait({running, serving}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        await then(heard, stop)
    serving.cancel()
    return await running, heard


async def stop_it(_: Heard, stop: Stop) -> None:
    stop.request("enough")


async def test_a_service_serves_until_it_is_asked_to_stop() -> None:
    statuses: list[int] = []

    async def ask(heard: Heard, stop: Stop) -> None:
        async with connected(heard.ports["port"]) as client:
            statuses.append((await client.request(NOW)).status)
        stop.request("enough")

    code, heard = await live(Service("tested", [Route("GET", "/now", now)]), then=ask)

    assert (0, [200], ["ready", "stopping"]) == (code, statuses, heard.words)


async def test_everything_is_left_in_the_reverse_of_its_order() -> None:
    diary = Diary()
    service = Service("tested", resources=[diary.resource("first"), diary.resource("second")])

    await live(Program(service, {"port": Door(diary)}), then=stop_it)

    assert [
        "first in",
        "second in",
        "door starts",
        "door closes",
        "door drained",
        "second out",
        "first out",
    ] == diary.entries


async def test_requests_that_would_not_end_are_told_of_the_stop_before_they_are_waited_for() -> None:
    diary = Diary()
    service = Service("tested", when_stopping=[lambda: diary.entries.append("told")])

    await live(Program(service, {"port": Door(diary)}), then=stop_it)

    assert ["door starts", "told", "door closes", "door drained"] == diary.entries


async def test_every_listener_tells_its_port_by_name() -> None:
    diary = Diary()
    service = Service("tested")
    own = UvicornListener(service.app, "127.0.0.1", 0)

    _, heard = await live(Program(service, {"port": Door(diary), "ops_port": own}), then=stop_it)

    assert ["port", "ops_port"] == list(heard.ports)
    assert 7 == heard.ports["port"]


async def test_listeners_get_the_graceful_timeout() -> None:
    door = Door(Diary())

    await live(Program(Service("tested"), {"port": door}), then=stop_it, graceful_timeout=3.0)

    assert 3.0 == door.timeout


async def test_one_listener_that_fails_to_stop_does_not_keep_others_from_it() -> None:
    def fail() -> None:
        raise RuntimeError("stuck")

    broken, other = Diary(), Diary()
    program = Program(Service("tested"), {"port": Door(broken, drain=fail), "other": Door(other)})

    code, _ = await live(program, then=stop_it)

    assert (0, "door drained") == (code, other.entries[-1])


async def test_a_listener_that_cannot_start_closes_those_that_did() -> None:
    diary = Diary()
    taken = UvicornListener(Service("other").app, "192.0.2.1", 0)
    program = Program(Service("tested", resources=[diary.resource("it")]), {"port": Door(diary), "taken": taken})

    code, heard = await live(program, then=stop_it)

    assert (1, ["failed"]) == (code, heard.words)
    assert ["it in", "door starts", "door closes", "door drained", "it out"] == diary.entries


async def test_a_failed_job_ends_it_with_code_1() -> None:
    fail = asyncio.Event()

    async def fragile() -> None:
        await fail.wait()
        raise RuntimeError("broken")

    async def break_it(_: Heard, __: Stop) -> None:
        fail.set()

    code, heard = await live(Service("tested", jobs={"fragile": fragile}), then=break_it)

    assert (1, ["ready", "stopping"]) == (code, heard.words)


async def test_a_job_that_returns_is_done() -> None:
    async def short() -> None:
        return

    async def wait_a_moment(_: Heard, stop: Stop) -> None:
        await asyncio.sleep(0.01)
        assert "" == stop.reason
        stop.request("enough")

    code, _ = await live(Service("tested", jobs={"short": short}), then=wait_a_moment)

    assert 0 == code


async def test_a_job_that_fails_while_it_drains_counts_too() -> None:
    fail = asyncio.Event()

    async def fragile() -> None:
        await fail.wait()
        raise RuntimeError("broken")

    class SlowDoor(Door):
        async def drain(self, timeout: float) -> None:
            fail.set()
            await asyncio.sleep(0.01)

    program = Program(Service("tested", jobs={"fragile": fragile}), {"port": SlowDoor(Diary())})

    code, _ = await live(program, then=stop_it)

    assert 1 == code


class TestListenerOnPlainAsyncio:
    """uvloop is what the process tests have; this is the other loop."""

    @pytest.mark.parametrize("reuse", [1, 7, 1_000_000])
    @pytest.mark.parametrize("repetition", range(4))
    async def test_no_request_is_lost(self, reuse: int, repetition: int) -> None:
        async def hammer_it(heard: Heard, stop: Stop) -> None:
            hammer = hammers.setdefault("it", Hammer(heard.ports["port"], NOW, reuse=reuse))
            hammering = asyncio.create_task(hammer.run(clients=16))
            await hammer.answered(50 + 13 * repetition)
            stop.request("enough")
            await hammering

        hammers: dict[str, Hammer] = {}
        code, _ = await live(Service("tested", [Route("GET", "/now", now)]), then=hammer_it)

        counts = hammers["it"].counts
        assert (0, 0, 0) == (code, counts["lost"], counts["failed"])

    async def test_says_what_it_does(self) -> None:
        listener = UvicornListener(Service("tested").app, "127.0.0.1", 0)
        address = await listener.start()
        async with connected(address.port) as client:
            await client.request(NOW)
            busy = repr(listener)
            await listener.stop_accepting()
            draining = repr(listener)
            await listener.drain(1.0)

        assert f"<UvicornListener 127.0.0.1:{address.port}, 0 requests in hand, 1 connections>" == busy
        assert draining.endswith("1 connections, draining>")

    async def test_one_that_never_started_stops_at_once(self) -> None:
        listener = UvicornListener(Service("tested").app, "127.0.0.1", 0)

        await listener.stop_accepting()
        await listener.drain(1.0)


class TestAdvertisedHost:
    async def test_is_where_it_listens(self) -> None:
        assert "127.0.0.1" == await advertised_host(SETTINGS, Address("127.0.0.1", 1))

    @pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - not bound
    @pytest.mark.parametrize("registry", [None, "http://127.0.0.1:3010", "http://nowhere.invalid:3010"])
    async def test_is_the_machines_name_when_it_listens_everywhere_and_no_way_leads_out(
        self, host: str, registry: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("socket.gethostname", lambda: "box")
        settings = ServiceSettings(registry_url=registry)

        assert "box" == await advertised_host(settings, Address(host, 1))

    async def test_is_the_address_on_the_way_to_the_registry_when_it_listens_everywhere(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ways = {("192.0.2.10", 3010): "192.0.2.77"}
        monkeypatch.setattr("atoll.lifecycle.registering._own_address", lambda *place: ways.get(place))
        settings = ServiceSettings(registry_url="http://192.0.2.10:3010,http://192.0.2.11:3010")

        assert "192.0.2.77" == await advertised_host(settings, Address("0.0.0.0", 1))  # noqa: S104 - not bound

    async def test_is_what_the_settings_say(self) -> None:
        settings = ServiceSettings(advertise_host="orders.internal")

        assert "orders.internal" == await advertised_host(settings, Address("0.0.0.0", 1))  # noqa: S104 - not bound
