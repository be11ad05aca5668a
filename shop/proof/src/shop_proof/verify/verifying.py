"""From addresses of databases and files of histories to a report."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from atoll.clock import Clock
from atoll.storage import open_read_only
from shop_proof.history import read_histories
from shop_proof.verify.judging import judge
from shop_proof.verify.promises import Scene
from shop_proof.verify.quiet import footprint, wait_until_quiet
from shop_proof.verify.records import Databases
from shop_proof.verify.report import Report
from shop_proof.verify.testimony import heard


@dataclass(frozen=True, slots=True)
class Verification:
    """What to verify: `urls` are those of the databases `users`, `products` and `orders`.

    `patience` is for how many seconds it waits for a running system to come to rest.
    """

    urls: Mapping[str, str]
    histories: Sequence[Path]
    system_runs: bool
    patience: float
    clock: Clock

    async def report(self) -> Report:
        """The verdict on a moment in which nothing moved, or one that says that there was none.

        Raises `HistoryUnreadable`, `RecordUnreadable` and `DatabaseError`.
        """
        testimony = heard(read_histories(self.histories))
        began = self.clock.monotonic()
        give_up = began + (self.patience if self.system_runs else 0.0)
        async with _opened(self.urls) as databases:
            while True:
                unrest = await wait_until_quiet(databases, self.clock, give_up - self.clock.monotonic())
                waited = self.clock.monotonic() - began
                before = await footprint(databases)
                verdicts = await judge(databases, testimony, Scene(self.clock.now(), self.system_runs, not unrest))
                is_still = before == await footprint(databases)
                if is_still or self.clock.monotonic() >= give_up:
                    break
        return Report(
            verdicts=verdicts if is_still else [verdict.withheld() for verdict in verdicts],
            system_runs=self.system_runs,
            waited=round(waited, 1),
            pending=unrest.pending,
            held=unrest.held,
            events=unrest.events,
            is_still=is_still,
            requests=testimony.requests,
            unanswered=testimony.unanswered,
        )


@asynccontextmanager
async def _opened(urls: Mapping[str, str]) -> AsyncIterator[Databases]:
    async with (
        open_read_only(urls["users"]) as users,
        open_read_only(urls["products"]) as products,
        open_read_only(urls["orders"]) as orders,
    ):
        yield Databases(users, products, orders)
