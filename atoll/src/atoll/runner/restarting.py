"""Restarting services one instance after the other, while the others go on working.

Done from outside of the runner, with nothing but its promises: a process that is asked to stop leaves the
registry, finishes what it has and ends, and whatever ended is started again. `system.json` tells how far it is.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence

from atoll.runner.data_folder import DataFolder
from atoll.runner.probe import ask
from atoll.runner.running_system import RunningService, RunningSystem

PATIENCE = 90.0
"""Seconds that one instance has to stop gracefully, start, and be ready."""

_LOOK_EVERY = 0.05

SETTLE = 0.5
"""Seconds between two instances, in which callers learn of the new one."""


class CannotRestart(Exception):
    """It cannot be restarted, or did not come back; the message says which and why."""


def instances_of(running: RunningSystem, service: str) -> list[str]:
    """The names of a service's instances: `orders`, `orders-2` and so on."""
    return [name for name in running.services if name == service or _is_copy(name, service)]


async def restart(folder: DataFolder, names: Sequence[str], tell: Callable[[str], None]) -> None:
    """Restart each of the named instances, in this order, each when the one before is ready again.

    `tell` hears a sentence for each step. Raises `CannotRestart` at the first that does not come back.
    """
    for number, name in enumerate(names):
        if number:
            await asyncio.sleep(SETTLE)
        before = _now(folder, name)
        if not before.pid or before.state != "up":
            raise CannotRestart(f"{name} is {before.state}, and not restarted.")
        tell(f"{name} (process {before.pid}) stops ...")
        os.kill(before.pid, signal.SIGTERM)
        after = await _again_ready(folder, name, before.pid)
        tell(f"{name} is up again as process {after.pid}.")


async def _again_ready(folder: DataFolder, name: str, old_pid: int) -> RunningService:
    try:
        async with asyncio.timeout(PATIENCE):
            while not await _is_ready(service := _now(folder, name), old_pid):  # noqa: ASYNC110 - another process
                await asyncio.sleep(_LOOK_EVERY)
            return service
    except TimeoutError:
        raise CannotRestart(f"{name} was not ready again after {PATIENCE:g} s; see its logs.") from None


async def _is_ready(service: RunningService, old_pid: int) -> bool:
    if service.state != "up" or service.pid in {0, old_pid}:
        return False
    return (await ask(f"{service.operations_url}/ready")).is_good


def _now(folder: DataFolder, name: str) -> RunningService:
    running = folder.running()
    if running is None:
        raise CannotRestart("The system does not run any more.")
    return running.services[name]


def _is_copy(name: str, service: str) -> bool:
    return name.startswith(f"{service}-") and name.removeprefix(f"{service}-").isdecimal()
