"""The port to a database: what every adapter promises, and what every service may rely on.

SQL is plain and the same for every engine, one statement at a time. Parameters are `$1`, `$2`, …, each usable
more than once. Columns are TEXT, BIGINT, DOUBLE PRECISION or BYTEA; a moment is a BIGINT of milliseconds
(`atoll.clock.to_millis`), a truth is 0 or 1. Write statements that are right under READ COMMITTED:
conditional updates, never read and then write.

DatabaseError
├── DatabaseUnavailable     cannot be reached, locked for too long, or full; worth another try later
│   └── CommitUncertain     the connection was lost during the commit: all of it is there, or nothing
├── ConstraintViolated      a rule of the schema refused the change
│   ├── UniqueViolated
│   ├── CheckViolated
│   ├── ForeignKeyViolated
│   └── NotNullViolated
├── CommitFailed            the commit did not happen; nothing of the transaction is there
├── StatementFailed         any other refusal of the engine; mostly a mistake in the SQL
└── MigrationFailed         the schema is not the one the code expects
TransactionSuspended        a programming mistake: a body awaited something other than its transaction
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias, TypeVar

from atoll.problems import Unavailable
from atoll.storage.migrations import Migration

Value: TypeAlias = str | int | float | bytes | None
Row: TypeAlias = tuple[Any, ...]
"""The columns in the order of the SELECT, to be unpacked: `name, stock = row`."""

T = TypeVar("T")


class DatabaseError(Exception):
    """The database refused or failed; the engine's own error is the `__cause__`."""


class DatabaseUnavailable(DatabaseError):
    """Cannot be reached, locked for too long, or full; worth another try later."""

    def as_problem(self) -> Unavailable:
        """What a caller is told when nobody handles it."""
        return Unavailable("The data cannot be reached just now; nothing was changed. Please try again.")


class CommitUncertain(DatabaseUnavailable):
    """The connection was lost during the commit: all of the transaction is there, or nothing. Look, then try again."""

    def as_problem(self) -> Unavailable:
        """What a caller is told when nobody handles it."""
        return Unavailable("It is not known whether this was done. Please look, or repeat it with its Idempotency-Key.")


class ConstraintViolated(DatabaseError):
    """A rule of the schema refused the change; the engine's words, with the rule's name, are the message."""


class UniqueViolated(ConstraintViolated):
    """A row with the same key is there already."""


class CheckViolated(ConstraintViolated):
    """A CHECK of the schema does not hold."""


class ForeignKeyViolated(ConstraintViolated):
    """A row that is referred to is not there."""


class NotNullViolated(ConstraintViolated):
    """A column that must have a value was left empty."""


class CommitFailed(DatabaseError):
    """The commit did not happen; nothing of the transaction is there."""

    def as_problem(self) -> Unavailable:
        """What a caller is told when nobody handles it."""
        return Unavailable("This could not be made durable; nothing was changed. Please try again.")


class StatementFailed(DatabaseError):
    """The engine refused a statement for a reason of its own; mostly a mistake in the SQL."""


class MigrationFailed(DatabaseError):
    """The schema is not the one that the code expects."""


class TransactionSuspended(RuntimeError):
    """A transaction's body awaited something other than its transaction; everything it did is undone."""


class Reading(Protocol):
    """What can be asked of the database, inside a transaction or a read."""

    async def fetch_one(self, sql: str, *values: Value) -> Row | None:
        """The first row, or None."""

    async def fetch_all(self, sql: str, *values: Value) -> list[Row]:
        """Every row; bound the number with a LIMIT."""


class Transaction(Reading, Protocol):
    """What a transaction's body works with; of no use once the body has returned."""

    async def execute(self, sql: str, *values: Value) -> int:
        """Run one statement and say how many rows it changed."""

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run one statement once for each row of values, in order."""


ReadBody: TypeAlias = Callable[[Reading], Coroutine[Any, Any, T]]
TransactionBody: TypeAlias = Callable[[Transaction], Coroutine[Any, Any, T]]


class ReadOnlyDatabase(Protocol):
    """A service's database for those who only look at it: nothing in it can be changed.

    Enter it as an async context manager before use; leaving closes its connections. Any number of tasks of one
    event loop may use it at once. Errors are those of this module's tree.
    """

    async def read(self, body: ReadBody[T]) -> T:
        """Run `body` on one unchanging view of everything durable; never waits for a writer.

        For short questions: the body may hold up other work of this process while it runs. As for a
        transaction, it may await nothing else, and may run more than once.
        """

    async def fetch_one(self, sql: str, *values: Value) -> Row | None:
        """`read` of one statement: the first row, or None."""

    async def fetch_all(self, sql: str, *values: Value) -> list[Row]:
        """`read` of one statement: every row; bound the number with a LIMIT."""

    def stream(self, sql: str, *values: Value, batch: int = 1000) -> AsyncIterator[Row]:
        """The rows of a long question, fetched `batch` at a time aside from all other work."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class Database(ReadOnlyDatabase, Protocol):
    """One service's database, for the service whose own it is."""

    async def transaction(self, body: TransactionBody[T]) -> T:
        """Run `body` in one transaction, and return its result once that is durable.

        The body may await nothing but its transaction; an adapter raises `TransactionSuspended` if it does.
        It may run more than once (after a deadlock, say), so its only effects are those in the database. When
        it raises, its changes are undone and the error reaches the caller, but not before everything that the
        body can have seen is durable. A statement that fails dooms its transaction, even when the body hides
        the error: to go on, ask first (`ON CONFLICT DO NOTHING`, and count). When the commit fails, every
        caller whose changes went with it gets `CommitFailed` or `DatabaseUnavailable`, and none of the
        changes is there; only `CommitUncertain` leaves that open. A caller that is cancelled changes nothing
        for others; its own changes are there whole or not at all.
        """

    async def migrate(self, migrations: Sequence[Migration]) -> list[Migration]:
        """Bring the schema to the last of `migrations`, each in one transaction; return those applied now.

        Several processes may try at once: one works, the others wait. Raises `MigrationFailed` when one fails
        or was changed after it was applied, or when the database knows one that the code does not.
        """

    async def check(self) -> None:
        """Return when the database answers; raise `DatabaseUnavailable` when not. For readiness."""
