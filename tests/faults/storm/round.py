"""One round: a whole shop, people who buy, a storm; then quiet, and a verdict."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.faults.storm.event_books import read_books
from tests.faults.storm.harm import Harm
from tests.faults.storm.in_flight import InFlight, Watching
from tests.faults.storm.plan import Step
from tests.faults.storm.small_disk import SmallDisk
from tests.shopping import SYSTEM_FILE

from atoll.clock import SystemClock
from atoll.runner.data_folder import DataFolder
from atoll.runner.event_lag import Lag, lag_of
from atoll.runner.system_events import SystemEvents, events_of_system
from atoll.storage import open_read_only
from atoll.testing.eventually import eventually
from atoll.testing.system import SystemUnderTest, running_system
from atoll.testing.valkey_server import ValkeyToBreak, valkey_server

HOLD_SECONDS = 10
"""The life of a hold: as short as the setting allows."""

QUIET_WITHIN = 60.0
"""Seconds after which everything must have come to rest. The longest pause of a retry, and of a restart, is within."""

_NOT_NOW = re.compile(r": (409|429|502|503|504) |no answer, however often")
"""Clients lose patience while everything is down: no promise is broken by that. What they were told is verified."""

REPLICATED = ("users", "products", "orders")


@dataclass(frozen=True)
class Kept:
    """Where a round keeps its data: a `folder`, the options of `atoll up` for it, and the disk that it is on."""

    folder: Path
    options: Sequence[str] = ()
    disk: SmallDisk | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"


@dataclass(frozen=True)
class Outcome:
    """What came of a round. `findings` are sentences about promises that were not kept; there should be none."""

    findings: Sequence[str]
    kills: Sequence[InFlight] = ()
    requests: int = 0
    unanswered: int = 0
    quiet_after: float = 0.0
    orders: str = ""


@dataclass
class Round:
    """`file` is the system's; the load lasts for `seconds`, with those `load` options beside."""

    kept: Kept
    steps: Sequence[Step]
    seconds: float
    file: Path = SYSTEM_FILE
    replicas: int = 2
    load: Sequence[str] = ("--buyers", "4", "--concurrency", "12")
    quiet_within: float = QUIET_WITHIN
    say: Callable[[str], None] = lambda _: None

    async def run(self) -> Outcome:
        """Within the time of the storm, and as long as it takes to come to rest."""
        async with valkey_server() as broker:
            environment = {"VALKEY_URL": broker.url, "HOLD_SECONDS": str(HOLD_SECONDS), "SWEEP_SECONDS": "1"}
            replicas = [word for name in REPLICATED for word in ("--scale", f"{name}={self.replicas}")]
            options = [*replicas, *self.kept.options]
            async with running_system(self.file, self.kept.data, options=options, environment=environment) as system:
                with events_of_system(DataFolder(self.kept.data), self.file) as events:
                    return await self._storm(system, broker, replace(events, broker_url=broker.url))

    async def _storm(self, system: SystemUnderTest, broker: ValkeyToBreak, events: SystemEvents) -> Outcome:
        history = self.kept.folder / "history.jsonl"
        async with AsyncExitStack() as opened:
            databases = {
                name: await opened.enter_async_context(open_read_only(url)) for name, url in events.databases.items()
            }
            harm = Harm(system, broker, self.kept.disk, Watching(history, databases), self.say)
            async with self._people(history) as load:
                await harm.all(self.steps)
                findings = await load
            await eventually(lambda: _all_up(system), within=QUIET_WITHIN)
            quiet_after, lag = await self._quiet(events)
            findings += [] if lag.is_zero else [f"not quiet after {quiet_after:.0f} s: {lag}"]
            verdict = await self._verify(history)
            findings += _broken(verdict)
            findings += (await read_books(databases)).findings()
        return Outcome(
            findings=findings,
            kills=harm.kills,
            requests=verdict["requests"],
            unanswered=verdict["unanswered"],
            quiet_after=quiet_after + verdict["waited"],
            orders=_evidence(verdict, 8),
        )

    @asynccontextmanager
    async def _people(self, history: Path) -> AsyncIterator["asyncio.Task[list[str]]"]:
        """Within, people buy; awaiting what is given waits for them, and says what they were answered wrongly."""
        command = ["load", "--for", f"{self.seconds:g}", "--history", str(history), *self.load]
        process = await self._command(*command)
        begun = asyncio.Event()
        buying = asyncio.create_task(_bought(process, begun))
        try:
            await begun.wait()
            assert not buying.done(), f"Nobody buys: {buying.result()}"
            yield buying
        finally:
            if process.returncode is None:
                process.kill()
            await asyncio.wait([buying])

    async def _quiet(self, events: SystemEvents) -> tuple[float, Lag]:
        """After how many seconds nothing waits any more, and the lag by then."""
        clock = SystemClock()
        began = clock.monotonic()
        while True:
            lag = await lag_of(events, clock)
            passed = clock.monotonic() - began
            if lag.is_zero or passed > self.quiet_within:
                return passed, lag
            await clock.sleep(0.1)

    async def _verify(self, history: Path) -> Any:
        wait = ("--wait", f"{self.quiet_within:g}", "--history", str(history))
        process = await self._command("verify", "--json", *wait)
        printed, _ = await process.communicate()
        assert printed.startswith(b"{"), printed.decode()
        return json.loads(printed)

    async def _command(self, name: str, *arguments: str) -> asyncio.subprocess.Process:
        where = ("--file", str(self.file), "--data", str(self.kept.data))
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "atoll.cli", name, *where, *arguments),
            cwd=self.file.parent,
            env=dict(os.environ),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )


def _all_up(system: SystemUnderTest) -> bool:
    services = system.services()
    assert services, f"The runner has ended. It printed:\n{system.printed}"
    return all(service.state == "up" for service in services)


async def _bought(process: asyncio.subprocess.Process, begun: asyncio.Event) -> list[str]:
    """What a load says that ended otherwise than promised; `begun` is set when it is under way."""
    assert process.stdout is not None
    printed: list[str] = []
    async for line in process.stdout:
        printed.append(line.decode().rstrip())
        if "under way" in printed[-1]:
            begun.set()
    begun.set()
    if await process.wait() == 0:
        return []
    wrong = [line.removeprefix("- ") for line in printed if line.startswith("- ")]
    return [line for line in wrong if not _NOT_NOW.search(line)] if wrong else printed[-5:]


def _broken(verdict: Any) -> list[str]:
    """What `atoll verify` found."""
    return [
        f"{each['number']} {each['name']} {each['outcome']}: {'; '.join(each['findings']) or each['evidence']}"
        for each in verdict["verdicts"]
        if each["outcome"] not in {"ok", "not visible"}
    ]


def _evidence(verdict: Any, number: int) -> str:
    return next((each["evidence"] for each in verdict["verdicts"] if each["number"] == number), "")
