"""A database beside a model of it: random groups of bodies that succeed, fail, wait and are cancelled."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from atoll.storage import CommitFailed, Database, DatabaseUnavailable, Migration, Transaction
from atoll.testing.database_suite import DatabaseBackend

Ending: TypeAlias = Literal["returns", "raises", "hides a failure", "waits", "is cancelled"]
ENDINGS: tuple[Ending, ...] = ("returns", "raises", "hides a failure", "waits", "is cancelled")

SCHEMA = Migration(
    1,
    "counters",
    """
    CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL);
    CREATE TABLE changes (id BIGINT PRIMARY KEY, name TEXT NOT NULL, amount BIGINT NOT NULL);
    """,
)


class BodyRaised(Exception):
    """What a body raises by plan."""


@dataclass(frozen=True)
class Change:
    """What one caller wants, and how it ends; for a cancelled one, after how many turns of the loop."""

    name: str
    amount: int
    ending: Ending
    turns: int


Outcomes: TypeAlias = list[tuple[tuple[int, Change], BaseException | None]]

changes = st.builds(
    Change,
    name=st.sampled_from("abc"),
    amount=st.integers(-5, 5),
    ending=st.sampled_from(ENDINGS),
    turns=st.integers(0, 4),
)


def database_machine(new_backend: Callable[[], DatabaseBackend]) -> type[RuleBasedStateMachine]:
    """The state machine for the databases that `new_backend` makes, an empty one each time."""

    class DatabaseMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.runner = asyncio.Runner()
            self.backend = new_backend()
            self.database: Database = self.backend.open()
            self.next_id = 0
            self.counters: dict[str, int] = {}
            self.kept: set[int] = set()

        @initialize()
        def open_it(self) -> None:
            self.runner.run(self.database.__aenter__())
            self.runner.run(self.database.migrate([SCHEMA]))

        @rule(group=st.lists(changes, min_size=1, max_size=12))
        def change_at_once(self, group: list[Change]) -> None:
            self._check(self._run(group), commits_fail=False)

        @rule(group=st.lists(changes, min_size=1, max_size=6))
        def change_while_commits_fail(self, group: list[Change]) -> None:
            with self.backend.failing_commits(self.database):
                outcomes = self._run(group)
            self._check(outcomes, commits_fail=True)

        @rule()
        def close_and_open(self) -> None:
            self.runner.run(self.database.__aexit__(None, None, None))
            self.runner.run(self.database.__aenter__())

        @invariant()
        def holds_what_the_model_holds(self) -> None:
            if self.next_id:
                found = self.runner.run(self.database.fetch_all("SELECT name, value FROM counters"))
                assert self.counters == dict(found)

        def teardown(self) -> None:
            self.runner.run(self.database.__aexit__(None, None, None))
            self.runner.close()

        def _run(self, group: list[Change]) -> Outcomes:
            numbered = list(enumerate(group, start=self.next_id))
            self.next_id += len(group)
            outcomes = self.runner.run(_all_at_once(self.database, numbered))
            return list(zip(numbered, outcomes, strict=True))

        def _check(self, outcomes: Outcomes, *, commits_fail: bool) -> None:
            present = self.runner.run(_present(self.database))
            for (number, change), outcome in outcomes:
                _check(change, outcome, is_there=number in present, commits_fail=commits_fail)
                if number in present:
                    self.counters[change.name] = self.counters.get(change.name, 0) + change.amount
                    self.kept.add(number)
            assert self.kept == present

    return DatabaseMachine


async def _all_at_once(database: Database, group: list[tuple[int, Change]]) -> list[BaseException | None]:
    return await asyncio.gather(*(_call(database, *each) for each in group), return_exceptions=True)


async def _present(database: Database) -> set[int]:
    """The changes that are there, when those of cancelled callers have come to their end too."""
    await database.transaction(lambda tx: tx.execute("UPDATE counters SET value = value"))
    return {row[0] for row in await database.fetch_all("SELECT id FROM changes")}


async def _call(database: Database, number: int, change: Change) -> None:
    async def body(tx: Transaction) -> None:
        await _apply(tx, number, change)

    task = asyncio.ensure_future(database.transaction(body))
    if change.ending == "is cancelled":
        for _ in range(change.turns):
            await asyncio.sleep(0)
        task.cancel()
    await task


async def _apply(tx: Transaction, number: int, change: Change) -> None:
    await tx.execute("INSERT INTO changes (id, name, amount) VALUES ($1, $2, $3)", number, change.name, change.amount)
    await tx.execute(
        "INSERT INTO counters (name, value) VALUES ($1, $2)"
        " ON CONFLICT (name) DO UPDATE SET value = counters.value + excluded.value",
        change.name,
        change.amount,
    )
    match change.ending:
        case "raises":
            raise BodyRaised
        case "hides a failure":
            with contextlib.suppress(Exception):
                await tx.execute("INSERT INTO changes (id) VALUES ($1)", number)
        case "waits":
            await asyncio.sleep(0)


def _check(change: Change, outcome: BaseException | None, *, is_there: bool, commits_fail: bool) -> None:
    """Acknowledged is there; refused or failed is not; a cancelled one is either, whole."""
    if isinstance(outcome, asyncio.CancelledError):
        assert change.ending == "is cancelled"
        return
    if outcome is None:
        assert is_there
        assert change.ending in ("returns", "is cancelled")
        assert not commits_fail
        return
    assert not is_there
    if isinstance(outcome, CommitFailed | DatabaseUnavailable):
        assert commits_fail
    else:
        assert change.ending not in ("returns", "is cancelled"), outcome
