"""The program that the tests of the lifecycle start as a process of its own."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from atoll.endpoints import Request, Route, Stream
from atoll.lifecycle import StartFailed, main
from atoll.observability.logging import get_logger
from atoll.service import Service
from atoll.settings import ServiceSettings, Setting
from atoll.storage import open_database

log = get_logger()


class Settings(ServiceSettings, frozen=True, kw_only=True):
    missing: Annotated[str, Setting("What cannot be reached, for a start that fails.")] = ""
    wrong: Annotated[bool, Setting("Whether the resource has a mistake in it.")] = False
    database_url: Annotated[str, Setting("A database, which is not opened.")] = "sqlite:///tested.db"
    stubborn: Annotated[bool, Setting("Whether the resource takes for ever to start.")] = False


def create(settings: Settings) -> Service:
    open_database(settings.database_url)
    service = SmallService(settings)
    return Service(
        "tested",
        [
            Route("GET", "/now", service.now),
            Route("GET", "/slow", service.slow),
            Route("GET", "/drip", service.drip),
            Route("GET", "/block", service.block),
            Route("POST", "/break", service.break_job),
            Route("POST", "/read", service.read),
        ],
        resources=[service.resource()],
        jobs={"fragile": service.fragile_job},
        version="1.2.3",
    )


class SmallService:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._break = asyncio.Event()

    @asynccontextmanager
    async def resource(self) -> AsyncIterator[None]:
        log.info("resource starts")
        if self._settings.missing:
            raise StartFailed(f"{self._settings.missing} cannot be reached.")
        if self._settings.wrong:
            raise ZeroDivisionError
        if self._settings.stubborn:
            await asyncio.Event().wait()
        try:
            yield
        finally:
            log.info("resource closed")

    async def fragile_job(self) -> None:
        try:
            await self._break.wait()
            raise RuntimeError("the job broke")
        finally:
            log.info("job ended")

    async def break_job(self) -> None:
        self._break.set()

    async def read(self, request: Request) -> None:
        await request.body()

    async def now(self) -> dict[str, str]:
        return {"answer": "now"}

    async def slow(self, seconds: float) -> dict[str, float]:
        await asyncio.sleep(seconds)
        return {"slept": seconds}

    async def drip(self, seconds: float) -> Stream:
        async def drops() -> AsyncIterator[bytes]:
            yield b"first "
            await asyncio.sleep(seconds)
            yield b"last"

        return Stream(drops(), "text/plain")

    async def block(self, seconds: float) -> None:
        """Holds up the whole event loop, as no service should."""
        time.sleep(seconds)  # noqa: ASYNC251 - on purpose


if __name__ == "__main__":
    main("tested", create, Settings)
