"""Restarting services one instance after the other, while the others go on working.

Done from outside of the runner, with nothing but its promises: a process that is asked to stop leaves the
registry, finishes what it has and ends, and whatever ended is started again. `system.json` tells how far it is.
Where a service has one instance only, another one stands in for it meanwhile, if one can.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from atoll.runner.data_folder import DataFolder
from atoll.runner.probe import ask
from atoll.runner.running_system import RunningService, RunningSystem
from atoll.runner.standing_in import NobodyToStandIn, StandIn, standing_in

PATIENCE = 90.0
"""Seconds that one instance has to stop gracefully, start, and be ready."""

_LOOK_EVERY = 0.05

SETTLE = 0.5
"""Seconds after each instance, in which callers learn of the new one."""


class CannotRestart(Exception):
    """It cannot be restarted, or did not come back; the message says which and why."""


def instances_of(running: RunningSystem, service: str) -> list[str]:
    """The names of a service's instances: `orders`, `orders-2` and so on."""
    return [name for name in running.services if name == service or _is_copy(name, service)]


async def restart(folder: DataFolder, names: Sequence[str], tell: Callable[[str], None]) -> None:
    """Restart each of the named instances, in this order, each when the one before is ready again.

    `tell` hears a sentence for each step. Raises `CannotRestart` at the first that does not come back. Somebody
    stands in for the only instance of a service, unless that cannot be: then it is away for about a second, in which
    nobody is refused at a gateway.
    """
    for name in names:
        before = _now(folder, name)
        if not before.pid or before.state != "up":
            raise CannotRestart(f"{name} is {before.state}, and not restarted.")
        async with _nobody_missing(folder, name, tell):
            tell(f"{name} (process {before.pid}) stops ...")
            with suppress(ProcessLookupError):  # it has ended meanwhile, and is started again in any case
                os.kill(before.pid, signal.SIGTERM)
            after = await _again_ready(folder, name, before.pid)
            tell(f"{name} is up again as process {after.pid}.")


@asynccontextmanager
async def _nobody_missing(folder: DataFolder, name: str, tell: Callable[[str], None]) -> AsyncIterator[None]:
    """Within, the service has another instance, if it can have one."""
    running = _running(folder)
    async with AsyncExitStack() as held:
        stand_in: StandIn | None = None
        if instances_of(running, name) == [name] and not _is_a_copy(running, name):
            try:
                stand_in = await held.enter_async_context(standing_in(folder, running, name))
            except NobodyToStandIn as error:
                tell(f"Nobody stands in for {name}: {str(error).rstrip('.')}.")
            else:
                tell(f"Process {stand_in.pid} stands in for {name}.")
                await asyncio.sleep(SETTLE)
        yield
        if stand_in is not None:
            await stand_in.until_relieved(_now(folder, name).ports["port"])
        await asyncio.sleep(SETTLE)


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
    return _running(folder).services[name]


def _running(folder: DataFolder) -> RunningSystem:
    running = folder.running()
    if running is None:
        raise CannotRestart("The system does not run any more.")
    return running


def _is_a_copy(running: RunningSystem, name: str) -> bool:
    return any(_is_copy(name, service) for service in running.services)


def _is_copy(name: str, service: str) -> bool:
    return name.startswith(f"{service}-") and name.removeprefix(f"{service}-").isdecimal()
