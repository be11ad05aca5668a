import io
from pathlib import Path

import pytest

from atoll.runner.narrator import Narrator
from atoll.runner.plain_view import PlainView
from atoll.runner.ports import PortPlan
from atoll.runner.system_file import ServiceSpec, System
from atoll.testing.clock import ManualClock


def system(**services: ServiceSpec) -> System:
    return System(path=Path("atoll.toml"), name="shop", first_call="/api/products", services=services, commands={})


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


async def narrate_up(told: System, out: io.StringIO, *unready: str) -> list[str]:
    clock = ManualClock(monotonic=100.0)
    with PlainView(told.services, out) as view:
        narrator = Narrator(told, PortPlan(told.services), view, began=100.0, clock=clock)
        await clock.advance(1.25)
        narrator.everything_is_up(unready)
    return [line.partition(" | ")[2] for line in out.getvalue().splitlines()]


async def test_a_system_with_a_gateway_tells_where_it_is_and_what_to_try(out: io.StringIO) -> None:
    lines = await narrate_up(system(gateway=ServiceSpec(module="atoll.gateway", port=3000)), out)

    assert lines == ["shop is up after 1.2 s: http://127.0.0.1:3000", "Try: curl http://127.0.0.1:3000/api/products"]


async def test_a_system_without_one_is_only_up(out: io.StringIO) -> None:
    assert await narrate_up(system(users=ServiceSpec(module="users", port=3001)), out) == ["shop is up after 1.2 s."]


async def test_who_still_misses_something_is_named(out: io.StringIO) -> None:
    lines = await narrate_up(system(users=ServiceSpec(module="users")), out, "users")

    assert lines[-1] == "users is not ready yet; `atoll status` says what it misses."
