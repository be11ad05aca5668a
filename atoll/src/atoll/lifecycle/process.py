"""The life of one process: settings, logs, resources, ways in, registration.

    if __name__ == "__main__":
        main("orders", create_app, OrdersSettings)

And in the end all of it backwards, with every request answered that had come.
"""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from atoll.lifecycle.errors import StartFailed
from atoll.lifecycle.listener import Listener, accepting
from atoll.lifecycle.registering import registered
from atoll.lifecycle.runnable import Runnable
from atoll.lifecycle.stop import Stop, StopRequested, signals_to
from atoll.lifecycle.supervisor_line import SupervisorLine
from atoll.lifecycle.uvicorn_listener import UvicornListener
from atoll.observability.logging import configure_logging, get_logger
from atoll.running import ResourceFailed
from atoll.settings import ServiceSettings, SettingsInvalid, load_settings

S = TypeVar("S", bound=ServiceSettings)

FAILED = 1
BAD_SETTINGS = 2

STOP_MARGIN = 10.0
"""Seconds beyond the graceful timeout for everything else of a stop: jobs, resources, threads."""

NEW_BEFORE_SEARCH = 10_000
"""Objects that are new before the collector looks for cycles among them; Python's own 700 (2,000 since 3.14) are what
a hundred requests in hand have. What nobody refers to goes at once all the same; only cycles wait, and they are few."""

log = get_logger()


@dataclass(frozen=True, slots=True)
class Program:
    """A service with ways in of its own choice, each by the name under which its port is told.

    They start in this order. The address of the one called `port` is what gets registered, unless it is not
    `announced`: another process speaks for this one.
    """

    service: Runnable
    listeners: Mapping[str, Listener]
    announced: bool = True


def main(service_name: str, create: Callable[[S], Runnable | Program], settings_type: type[S]) -> NoReturn:
    """Run a service as this process until it is asked to stop: all that its `__main__` needs.

    Exit codes: 0 after a graceful stop, 2 for settings that cannot be used, 1 for anything else that failed,
    128 + its number for a second signal. A failure to be foreseen is told in one sentence, any other with its
    traceback.
    """
    line = SupervisorLine.from_environment(os.environ)
    try:
        settings = load_settings(settings_type, service_name)
    except SettingsInvalid as error:
        line.failed(str(error))
        print(error, file=sys.stderr)  # noqa: T201 - no logs without settings
        sys.exit(BAD_SETTINGS)
    configure_logging(service_name, settings.log_format, settings.log_level)
    search_seldom()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        code = runner.run(_run_created(create, settings, line))
    sys.exit(code)


def search_seldom() -> None:
    """Have the garbage collector of this process look for cycles less often: every look goes through all requests in
    hand, for some 2 % of a busy service's time."""
    gc.set_threshold(NEW_BEFORE_SEARCH, *gc.get_threshold()[1:])


async def run(
    program: Runnable | Program,
    settings: ServiceSettings,
    *,
    stop: Stop | None = None,
    line: SupervisorLine | None = None,
) -> int:
    """Run until a signal, a failed job, the end of the supervisor or `stop`; returns the exit code.

    Start: resources and jobs, ways in, a word to the supervisor, the registry. Stop: leave the registry, stop
    accepting, finish the requests in hand, then jobs and resources.
    """
    return await _supervised(lambda: program, settings, stop or Stop(), line or SupervisorLine(None))


async def _run_created(create: Callable[[S], Runnable | Program], settings: S, line: SupervisorLine) -> int:
    asyncio.get_running_loop().set_exception_handler(_log_stray_error)
    stop = Stop(ends_within=settings.graceful_timeout + STOP_MARGIN)
    return await _supervised(lambda: create(settings), settings, stop, line)


async def _supervised(
    create: Callable[[], Runnable | Program], settings: ServiceSettings, stop: Stop, line: SupervisorLine
) -> int:
    with signals_to(stop), line.watched(lambda: stop.request("the supervisor is gone")):
        try:
            program = create()
            await _live(program if isinstance(program, Program) else _alone(program, settings), settings, stop, line)
        except StopRequested:
            log.info("stopped", reason=stop.reason)
        except Exception as error:
            return _failed(error, line)
        return stop.exit_code


async def _live(program: Program, settings: ServiceSettings, stop: Stop, line: SupervisorLine) -> None:
    async with AsyncExitStack() as held:
        async with stop.interrupts():
            await held.enter_async_context(program.service.running())
            await held.enter_async_context(_failures_to(stop, program.service))
            bound = await held.enter_async_context(accepting(program.listeners, settings.graceful_timeout))
            held.callback(program.service.stopping)
            ports = {name: address.port for name, address in bound.items()}
            line.ready(ports)
            version = {"version": program.service.version} if program.service.version else {}
            log.info("serving", **version, **ports)
            if program.announced:
                await held.enter_async_context(registered(program.service, settings, bound["port"]))
        await stop.requested()
        log.info("stopping", reason=stop.reason)
        line.stopping()
    log.info("stopped")


def _alone(service: Runnable, settings: ServiceSettings) -> Program:
    """A service with the one way in that every service has."""
    return Program(service, {"port": UvicornListener(service.app, settings.host, settings.port)})


@asynccontextmanager
async def _failures_to(stop: Stop, service: Runnable) -> AsyncIterator[None]:
    """Within, a job that fails asks for the stop."""

    async def watch() -> None:
        failure = await service.job_failure()
        stop.request(str(failure), exit_code=FAILED)

    watching = asyncio.create_task(watch(), name="job failures")
    try:
        yield
    finally:
        watching.cancel()


def _failed(error: Exception, line: SupervisorLine) -> int:
    """Tell what ended the process: foreseen in one sentence, the rest whole."""
    cause = error.__cause__ if isinstance(error, ResourceFailed) and error.half == "start" else error
    told = str(cause if _says_it_all(cause) else error)
    if _foreseen(cause):
        log.error("cannot start", reason=told)
    else:
        log.critical("process failed", exc_info=error)
    line.failed(told)
    return BAD_SETTINGS if _is_for_settings(cause) else FAILED


def _foreseen(error: BaseException | None) -> bool:
    """Whether something is not to be had, and the code is not to blame."""
    return isinstance(error, ConnectionError) or _says_it_all(error)


def _says_it_all(error: BaseException | None) -> bool:
    """Whether its sentence needs no word of where it happened."""
    from atoll.storage.database import DatabaseError  # costs memory in services without a database
    from atoll.storage.migrations import MigrationsInvalid

    return _is_for_settings(error) or isinstance(error, StartFailed | DatabaseError | MigrationsInvalid)


def _is_for_settings(error: BaseException | None) -> bool:
    """Whether other settings would mend it."""
    from atoll.storage.opening import AddressInvalid

    return isinstance(error, SettingsInvalid | AddressInvalid)


def _log_stray_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What the event loop has to report, such as an error in a callback or in a task nobody waited for."""
    log.error("error in the event loop", message=context.get("message"), exc_info=context.get("exception"))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is to be had."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
