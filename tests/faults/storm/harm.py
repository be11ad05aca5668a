"""Carries out what the plan says, on a running system."""

import asyncio
import os
import signal
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.faults.storm.in_flight import InFlight, Watching
from tests.faults.storm.plan import BROKER, FORKS, POSTGRES, Fault, Step
from tests.faults.storm.small_disk import SmallDisk

from atoll.runner.data_folder import DataFolder
from atoll.testing.eventually import eventually
from atoll.testing.processes import parent_of
from atoll.testing.system import SystemUnderTest
from atoll.testing.valkey_server import ValkeyToBreak

NOT_ON_THE_WAY = ("registry", "users", "users-2")
"""No order passes these: what was in flight when one was killed was not with it, and the kill is not counted."""

PATIENCE = 5.0
"""Seconds that a kill waits for something to meet."""


@dataclass
class Harm:
    """Hurts `system`, and heals it; `kills` is what was in flight each time that something was killed."""

    system: SystemUnderTest
    broker: ValkeyToBreak
    disk: SmallDisk | None
    watching: Watching
    say: Callable[[str], None]
    kills: list[InFlight] = field(default_factory=list)
    turns: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    """One fault at a time for each target: a kill may have waited for something to meet."""

    async def all(self, steps: Sequence[Step]) -> None:
        """All of them, each at its time; returns when the last one is healed."""
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(self._in_time(step, began + step.at))

    async def _in_time(self, step: Step, at: float) -> None:
        await asyncio.sleep(at - asyncio.get_running_loop().time())
        async with self.turns[step.target]:
            self.say(f"{step.at:6.1f} s  {step}{await self._do(step)}")

    async def _do(self, step: Step) -> str:
        """What was in flight, for a kill."""
        match step.fault:
            case Fault.KILL:
                return await self._kill(step.target)
            case Fault.FREEZE:
                await self._freeze(step.target, step.seconds)
            case Fault.WIPE:
                await self.broker.wipe()
            case Fault.STOP:
                await self.broker.stop()
                await asyncio.sleep(step.seconds)
                await self.broker.start()
            case Fault.FILL if self.disk is not None:
                with self.disk.full():
                    await asyncio.sleep(step.seconds)
        return ""

    async def _kill(self, target: str) -> str:
        pid = self._pid(target)
        if target != BROKER and not pid:
            return ": it does not run"
        in_flight = await self._something_in_flight()
        if target == BROKER:
            await self.broker.restart()
        else:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if target not in NOT_ON_THE_WAY:
            self.kills.append(in_flight)
        return f": {in_flight}"

    async def _something_in_flight(self) -> InFlight:
        """What is in flight when there is a request, or after `PATIENCE`: clients pause while everything is down."""

        async def some_request() -> int:
            return (await self.watching.now()).requests

        with suppress(TimeoutError):
            await eventually(some_request, within=PATIENCE)
        return await self.watching.now()

    async def _freeze(self, target: str, seconds: float) -> None:
        if target == BROKER:
            with self.broker.frozen():
                await asyncio.sleep(seconds)
            return
        if pid := self._pid(target):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                await asyncio.sleep(seconds)
                os.kill(pid, signal.SIGCONT)

    def _pid(self, target: str) -> int:
        """0 while there is no process."""
        if target == BROKER:
            return 0
        if target == POSTGRES:
            with suppress(OSError, ValueError):
                return int((self.system.data / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
            return 0
        running = DataFolder(self.system.data).running()
        if running is None:
            return 0
        return self._fork_server() if target == FORKS else running.services[target].pid

    def _fork_server(self) -> int:
        """The parent of any service; 0 while none runs, or where programs are executed."""
        for pid in self.system.pids():
            with suppress(OSError):
                parent = parent_of(pid)
                return 0 if parent == self.system.pid else parent
        return 0
