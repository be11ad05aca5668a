"""Statements on one connection, within the time that there is, and with the port's errors."""

from dataclasses import dataclass
from typing import Any

from atoll.storage.database import CommitFailed
from atoll.storage.postgres.bodies import Ask, Method
from atoll.storage.postgres.connection import Connection
from atoll.storage.postgres.errors import ENGINE_ERRORS, commit_error, translated
from atoll.storage.postgres.limits import Limits

BEGIN = "BEGIN"
COMMIT = "COMMIT"
COMMIT_AND_BEGIN = "COMMIT AND CHAIN"


@dataclass(slots=True)
class Asking:
    """Whoever holds `connection` asks through this until the monotonic moment `deadline`."""

    connection: Connection
    limits: Limits
    deadline: float

    async def answer(self, ask: Ask) -> Any:
        """What the statement gives."""
        return await self.ask(ask.method, ask.sql, ask.values)

    async def ask(self, method: Method, sql: str, values: Any) -> Any:
        """The same in words: one of `Connection`'s methods, its SQL and its values."""
        seconds = self.limits.seconds_until(self.deadline)
        try:
            return await method(self.connection, sql, values, seconds)
        except ENGINE_ERRORS as error:
            self.connection.forget(sql)
            raise translated(error, lost=self.connection.is_closed) from error

    async def control(self, sql: str) -> None:
        """Begin or end a transaction in which nothing can be lost."""
        seconds = self.limits.seconds_until(self.deadline)
        try:
            await self.connection.control(sql, seconds)
        except ENGINE_ERRORS as error:
            raise translated(error, lost=self.connection.is_closed) from error

    async def commit(self, *, and_begin: bool = False) -> None:
        """Make what was done durable; and begin the next transaction on the way, if somebody waits for it.

        Takes the time that it takes: nobody is served by not knowing.
        """
        try:
            ended = await self.connection.control(COMMIT_AND_BEGIN if and_begin else COMMIT, self.limits.statement)
        except ENGINE_ERRORS as error:
            raise commit_error(error) from error
        if ended != "COMMIT":
            raise CommitFailed(f"Nothing was changed: COMMIT ended as {ended}.")
