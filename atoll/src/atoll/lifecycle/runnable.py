"""What a process can run."""

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class Runnable(Protocol):
    """What runs here: an `atoll.service.Service`, or anything of its shape."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def app(self) -> Any:
        """An ASGI 3 application, to be served within `running()`."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Within, the resources are there and the jobs run."""

    def stopping(self) -> None:
        """A stop has begun, and requests in hand are waited for: end those that would not end by themselves."""

    async def job_failure(self) -> Exception:
        """Wait for a job to fail, perhaps for ever; it has been logged then."""
