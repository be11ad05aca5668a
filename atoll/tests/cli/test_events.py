"""`atoll events` on systems that run, with real processes and a real Valkey, and on those that do not."""

import asyncio
import itertools
import json
import os
import re
import shutil
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from atoll.cli.commands import atoll
from atoll.cli.events_tail import moment
from atoll.events import MemoryBroker, RedeliveryPolicy
from atoll.events.additions import Addition, Additions
from atoll.storage import Database, open_database
from atoll.testing.event_services import MIGRATIONS, Orders, Stock, working
from atoll.testing.eventually import eventually
from atoll.testing.system import SystemUnderTest, running_system

Run = Callable[..., Result]

SYSTEM = """
[system]
name = "pair"
[services.orders]
module = "telling_orders"
database = true
events = true
[services.stock]
module = "telling_stock"
database = true
events = true
[services.door]
module = "service"
"""


@pytest.fixture
def pair(folder: Path) -> Path:
    """The file of a system of two services with events, in the working directory."""
    file = folder / "atoll.toml"
    file.write_text(SYSTEM)
    shutil.copy(Path(__file__).with_name("telling.py"), folder)
    for name in ("orders", "stock"):
        (folder / f"telling_{name}.py").write_text(f"import telling\nif __name__ == '__main__': telling.run('{name}')")
    return file


@asynccontextmanager
async def opened(name: str) -> AsyncIterator[Database]:
    """The database of a service, as the service would make it."""
    async with open_database(f"sqlite:///data/{name}.db") as database:
        await database.migrate(MIGRATIONS)
        yield database


async def leave_behind(*, good: int = 0, poison: int = 0) -> list[str]:
    """Let the services do so many orders, of which some cannot be settled, and end. The ids of these."""
    async with opened("orders") as orders_db, opened("stock") as stock_db, MemoryBroker() as broker:
        hasty = RedeliveryPolicy(max_deliveries=1)
        orders, stock = Orders(orders_db, broker), Stock(stock_db, broker, redelivery=hasty)
        orders.new_id = (f"order-{number}" for number in itertools.count()).__next__
        stock.poison = {f"order-{number}" for number in range(poison)}
        async with working(orders, stock):
            for _ in range(poison + good):
                await orders.place()

            async def done() -> bool:
                return await orders.confirmed() == good and await stock.events.dead_letters.count() == poison

            await eventually(done)
        return [letter.event_id for letter in await stock.events.dead_letters.list()]


async def told(run: Run, *arguments: str) -> Any:
    """The JSON that a command prints."""
    return json.loads((await asyncio.to_thread(run, "events", *arguments, "--json")).output)


# --- what cannot be had is told in a sentence ---


@pytest.mark.parametrize("command", [["tail"], ["lag"], ["dead", "list"]])
def test_a_system_without_events_says_so(run: Run, folder: Path, command: list[str]) -> None:
    result = run("events", *command)

    assert 1 == result.exit_code
    assert "has events: [services.NAME] events = true" in result.output


def test_a_folder_without_a_system_says_so(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert "neither atoll.toml nor shop/atoll.toml" in run("events", "lag").output


def test_nothing_to_follow_is_a_sentence(run: Run, pair: Path) -> None:
    result = run("events", "tail")

    assert 1 == result.exit_code
    assert "Nothing runs on the data folder data; start the system with `atoll up`, or look back" in result.output


def test_a_system_that_never_ran_has_no_dead_letters_to_look_for(run: Run, pair: Path) -> None:
    result = run("events", "dead", "list")

    assert 1 == result.exit_code
    assert "There is no database" in result.output
    assert not (pair.parent / "data" / "orders.db").exists()


def test_a_service_that_is_none_is_guessed(run: Run, pair: Path) -> None:
    assert "there are orders, stock. Did you mean" in run("events", "dead", "list", "--service", "stocks").output


@pytest.mark.parametrize("command", ["redrive", "drop"])
async def test_an_id_that_is_unknown_is_told(run: Run, pair: Path, command: str) -> None:
    await leave_behind()
    result = await asyncio.to_thread(run, "events", "dead", command, "no-such-id")

    assert 1 == result.exit_code
    assert "There is no dead letter no-such-id; see `atoll events dead list`." in result.output


@pytest.mark.parametrize("command", ["redrive", "drop"])
def test_one_or_all_must_be_said(run: Run, pair: Path, command: str) -> None:
    assert "Give the ID of a dead letter, or --all." in run("events", "dead", command).output
    assert 2 == run("events", "dead", command, "id", "--all").exit_code


# --- a system that does not run ---


async def test_what_was_said_can_be_looked_at_afterwards(run: Run, pair: Path) -> None:
    await leave_behind(good=2)
    result = await asyncio.to_thread(run, "events", "tail", "--since", "1h")

    lines = [re.split(r"  +", line) for line in result.output.splitlines()]
    said = [(source, type_, subject) for _, source, type_, subject, *_ in lines]
    assert {("orders", "order.placed", "order-0"), ("stock", "order.settled", "order-1")} <= set(said)
    assert 4 == len(said)
    assert '{"orderId":"order-0"}' in result.output


async def test_without_a_moment_to_begin_at_all_that_is_kept_is_shown(run: Run, pair: Path) -> None:
    await leave_behind(good=2)
    result = await asyncio.to_thread(run, "events", "tail", "--no-follow")

    assert 4 == len(result.output.splitlines())


async def test_types_and_services_can_be_chosen(run: Run, pair: Path) -> None:
    await leave_behind(good=2)
    since = ("--since", "1h", "--json")
    settled = await asyncio.to_thread(run, "events", "tail", "order.settled", *since)
    of_orders = await asyncio.to_thread(run, "events", "tail", "--service", "orders", *since)

    assert ["order.settled"] * 2 == [json.loads(line)["type"] for line in settled.output.splitlines()]
    assert ["orders"] * 2 == [json.loads(line)["source"] for line in of_orders.output.splitlines()]


async def test_what_is_left_in_the_outbox_is_its_lag(run: Run, pair: Path) -> None:
    await leave_behind(poison=1)
    async with opened("orders") as database:
        await Orders(database, MemoryBroker()).place()
    result = await asyncio.to_thread(run, "events", "lag", "--json")

    lag = json.loads(result.output)
    assert 1 == result.exit_code
    assert [("orders", 1, 0), ("stock", 0, 1)] == [(s["name"], s["outbox"], s["dead"]) for s in lag["services"]]
    assert "The system does not run, and neither does its broker." == lag["brokerUnknown"]


async def test_a_dead_letter_is_shown_with_its_reason_and_its_event(run: Run, pair: Path) -> None:
    (event_id,) = await leave_behind(poison=1)
    listed = await asyncio.to_thread(run, "events", "dead", "list")
    shown = await asyncio.to_thread(run, "events", "dead", "show", event_id)

    assert event_id in listed.output
    for words in ("stock", "order.placed", "ValueError: order-0 is poison", "Traceback", '"orderId": "order-0"'):
        assert words in shown.output


async def test_dead_letters_can_be_given_up_one_by_one_or_all(run: Run, pair: Path) -> None:
    first, *_ = await leave_behind(poison=3)
    one = await asyncio.to_thread(run, "events", "dead", "drop", first)
    left = [letter["id"] for letter in await told(run, "dead", "list")]
    rest = await asyncio.to_thread(run, "events", "dead", "drop", "--all", "--yes")

    assert "1 dead letter dropped." in one.output
    assert 2 == len(left)
    assert first not in left
    assert "2 dead letters dropped." in rest.output
    assert [] == await told(run, "dead", "list")


async def test_all_are_not_dropped_unasked(run: Run, pair: Path) -> None:
    await leave_behind(poison=2)
    result = await asyncio.to_thread(
        lambda: CliRunner().invoke(atoll, ["events", "dead", "drop", "--all"], input="n\n", prog_name="atoll")
    )

    assert "Drop 2 dead letters for good?" in result.output
    assert 1 == result.exit_code
    assert 2 == len(await told(run, "dead", "list"))


async def test_redriven_ones_wait_for_the_system(run: Run, pair: Path) -> None:
    await leave_behind(poison=2)
    result = await asyncio.to_thread(run, "events", "dead", "redrive", "--all")

    assert "2 dead letters will be tried again when the system runs again." in result.output
    assert [] == await told(run, "dead", "list")


async def test_a_system_elsewhere_is_looked_at_by_the_addresses_in_the_environment(
    run: Run, pair: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await leave_behind(poison=1)
    (pair.parent / "data").rename(pair.parent / "elsewhere")
    address = pair.parent / "address"
    address.write_text(f"sqlite:///{pair.parent}/elsewhere/stock.db\n")
    monkeypatch.setenv("STOCK_DATABASE_URL_FILE", str(address))
    dead = await told(run, "dead", "list")
    lag = await told(run, "lag")

    assert ["stock"] == [letter["service"] for letter in dead]
    assert (["stock"], "Give its address in VALKEY_URL.") == (
        [s["name"] for s in lag["services"]],
        lag["brokerUnknown"],
    )


def test_an_address_in_a_file_that_is_not_there_is_told(run: Run, pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERS_DATABASE_URL_FILE", "/nowhere/address")

    assert "ORDERS_DATABASE_URL_FILE in the environment names /nowhere/address" in run("events", "lag").output


@pytest.mark.parametrize("command", [["dead", "list"], ["lag"], ["tail", "--since", "1h"]])
def test_an_address_that_is_none_is_told(
    run: Run, pair: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("ORDERS_DATABASE_URL", "mysql://10.0.0.1/orders")
    result = run("events", *command)

    assert 1 == result.exit_code
    assert "Error: mysql:// is no database that is known here" in result.output


# --- a system that runs ---


def post(url: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, b"", method="POST"), timeout=10):  # noqa: S310 - our own
        pass


@pytest.fixture
async def running(pair: Path) -> AsyncIterator[SystemUnderTest]:
    async with running_system(pair, pair.parent / "data") as system:
        yield system


@asynccontextmanager
async def tailing(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "atoll.cli", "events", "tail", *arguments),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.system
async def test_events_are_followed_failed_given_up_and_sent_again(
    run: Run, pair: Path, running: SystemUnderTest
) -> None:
    orders, broken = f"{running.url('orders')}/orders", pair.parent / "broken"
    async with tailing("--since", "1h", "--json") as tail, asyncio.timeout(60):
        assert tail.stdout is not None
        await asyncio.to_thread(post, orders)
        said = [json.loads(await tail.stdout.readline()) for _ in range(2)]
        assert ["order.placed", "order.settled"] == [event["type"] for event in said]
        assert 0 == (await asyncio.to_thread(run, "events", "lag", "--wait", "20")).exit_code

        broken.touch()
        await asyncio.to_thread(post, orders)
        assert "order.placed" == json.loads(await tail.stdout.readline())["type"]
        await eventually(lambda: told(run, "dead", "list"), within=30)
        letters = await told(run, "dead", "list")
        lag = await told(run, "lag")
        broken.unlink()
        redriven = await asyncio.to_thread(run, "events", "dead", "redrive", letters[0]["id"])
        assert "order.settled" == json.loads(await tail.stdout.readline())["type"]

    assert [("orders", 0), ("stock", 1)] == [(service["name"], service["dead"]) for service in lag["services"]]
    assert [("orders", "order.settled", 0), ("stock", "order.placed", 0)] == [
        (each["service"], each["type"], each["undelivered"]) for each in lag["subscriptions"]
    ]
    assert "1 dead letter will be tried again within a second." in redriven.output
    settled = await asyncio.to_thread(run, "events", "lag", "--wait", "20")
    assert 0 == settled.exit_code, settled.output
    assert "stock ← order.placed" in settled.output


@pytest.mark.system
async def test_following_ends_with_the_system(running: SystemUnderTest) -> None:
    async with tailing("--since", "1h") as tail, asyncio.timeout(60):
        assert tail.stdout is not None
        await asyncio.to_thread(post, f"{running.url('orders')}/orders")
        await tail.stdout.readline()
        await running.stop()

        assert 0 == await tail.wait()


# --- parts ---


NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", NOW - timedelta(seconds=30)),
        ("10m", NOW - timedelta(minutes=10)),
        ("2 h", NOW - timedelta(hours=2)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-05-04T11:00:00Z", NOW - timedelta(hours=1)),
        ("2026-05-04T11:00:00", NOW - timedelta(hours=1)),
        ("2026-05-04T13:00:00+02:00", NOW - timedelta(hours=1)),
    ],
)
def test_a_moment_is_written_in_several_ways(text: str, expected: datetime) -> None:
    assert expected == moment(text, NOW)


@pytest.mark.parametrize("text", ["yesterday", "999999d"])
def test_what_is_no_moment_is_explained(text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' is no moment: write how long ago, such as 30s"):
        moment(text, NOW)


async def test_an_event_that_is_committed_late_is_told_and_each_is_told_once(database_url: str) -> None:
    async with open_database(database_url) as database:
        await database.migrate(MIGRATIONS)
        additions = Additions(database, since=0)
        looks: list[list[str]] = []
        for added in ([("b", 5_000), ("c", 6_000)], [("a", 4_500)], []):
            for event_id, at in added:
                await database.transaction(lambda tx, event_id=event_id, at=at: _add(tx, event_id, at))  # type: ignore[misc]
            looks.append([addition.event_id async for addition in additions.look()])

    assert [["b", "c"], ["a"], []] == looks


async def _add(tx: Any, event_id: str, at: int) -> None:
    await tx.execute(
        "INSERT INTO outbox (event_id, type, body, sequence, relay, added_at) VALUES ($1, 't', $2, 1, '', $3)",
        event_id,
        b"{}",
        at,
    )


async def test_what_several_services_said_is_one_sequence() -> None:
    from atoll.events.additions import in_order

    async def of(*moments: int) -> AsyncIterator[Addition]:
        for at in moments:
            yield Addition(at, 1, str(at), "t", b"")

    found = [addition.added_at async for addition in in_order([of(1, 4, 5), of(), of(2, 3, 6)])]

    assert [1, 2, 3, 4, 5, 6] == found
