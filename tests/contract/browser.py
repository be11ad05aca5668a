"""A real browser without a window: Chromium, driven by the DevTools protocol over a pipe."""

import asyncio
import base64
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE = 20.0
"""Seconds that anything may take."""

_MOST = 64 * 1024 * 1024


def installed_browser() -> str | None:
    """The program, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class PageFailed(AssertionError):
    """The page did what a page should not, or did not do in time what it should."""


class Page:
    """One page. `complaints` are the errors that it has met, `asked` the addresses that it has loaded."""

    def __init__(self, commands: asyncio.StreamWriter) -> None:
        self._commands = commands
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._loaded = asyncio.Event()
        self.session = ""
        self.complaints: list[str] = []
        self.asked: list[str] = []

    async def open(self, url: str) -> None:
        """Go there, and wait until it is loaded."""
        self._loaded.clear()
        await self.command("Page.navigate", url=url)
        async with asyncio.timeout(PATIENCE):
            await self._loaded.wait()

    async def run(self, script: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        answer = await self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise PageFailed(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    async def until(self, script: str) -> Any:
        """The value of the expression once it is true; for an element, that it is there."""
        value_or_presence = f"((value) => (value instanceof Node ? true : value))({script})"
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not (value := await self.run(value_or_presence)):  # noqa: ASYNC110 - a page tells nobody that it changes
                    await asyncio.sleep(0.02)
                return value
        raise PageFailed(f"never true: {script}\n{await self.run('document.body.innerText')}")

    async def picture(self) -> bytes:
        """The whole page, as PNG."""
        shot = await self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    async def command(self, method: str, **parameters: Any) -> Any:
        """Send one command of the protocol, and wait for its result."""
        number = next(self._ids)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self._commands.write(json.dumps(message).encode() + b"\0")
        async with asyncio.timeout(PATIENCE):
            return await waiting

    async def listen(self, events: asyncio.StreamReader) -> None:
        """Take in what the browser says, until it ends."""
        with suppress(asyncio.IncompleteReadError):
            while True:
                self._take(json.loads((await events.readuntil(b"\0"))[:-1]))

    def _take(self, message: Any) -> None:
        if "id" in message:
            waiting = self._waiting.pop(message["id"])
            if "error" in message:
                waiting.set_exception(PageFailed(str(message["error"])))
            else:
                waiting.set_result(message["result"])
        else:
            self._note(message["method"], message["params"])

    def _note(self, event: str, told: Any) -> None:
        match event:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Network.requestWillBeSent":
                self.asked.append(told["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(told["exceptionDetails"]))
            case "Log.entryAdded" if told["entry"]["level"] == "error":
                self.complaints.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")


@asynccontextmanager
async def browser_page(program: str) -> AsyncIterator[Page]:
    """A page in a browser of its own, which is gone at the end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        to_browser, from_us = os.pipe()
        to_us, from_browser = os.pipe()
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe"]
        process = await asyncio.create_subprocess_exec(
            *["/bin/bash", "-c", f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}', program],
            *[*options, f"--user-data-dir={profile}"],
            pass_fds=[to_browser, from_browser],
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        try:
            async with _connected(from_us, to_us) as page:
                yield page
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


@asynccontextmanager
async def _connected(write_end: int, read_end: int) -> AsyncIterator[Page]:
    loop = asyncio.get_running_loop()
    events = asyncio.StreamReader(limit=_MOST)
    reading, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(events), os.fdopen(read_end, "rb"))
    writing, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(write_end, "wb"))
    page = Page(asyncio.StreamWriter(writing, protocol, None, loop))
    listening = asyncio.create_task(page.listen(events))
    try:
        target = await page.command("Target.createTarget", url="about:blank")
        attached = await page.command("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page.session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            await page.command(f"{domain}.enable")
        yield page
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        writing.close()
        reading.close()
