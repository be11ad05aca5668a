"""What is being done now, so that leaving can wait for its end."""

import asyncio
from types import TracebackType


class InHand:
    """Entered by everything that is being done."""

    def __init__(self) -> None:
        self._count = 0
        self._nothing = asyncio.Event()
        self._nothing.set()

    def __repr__(self) -> str:
        return f"<InHand: {self._count}>"

    def __enter__(self) -> None:
        self._count += 1
        self._nothing.clear()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._count -= 1
        if self._count == 0:
            self._nothing.set()

    async def nothing(self) -> None:
        """Wait until nothing is being done."""
        await self._nothing.wait()
