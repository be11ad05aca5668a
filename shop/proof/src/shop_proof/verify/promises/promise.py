"""What every promise has in common: it looks at evidence, notes what contradicts it, and comes to a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

import msgspec

from shop_contracts.orders import Order
from shop_contracts.users import User
from shop_proof.verify.events import DeadLetter, SentEvent
from shop_proof.verify.evidence import Book, Case
from shop_proof.verify.records import Account, KeptAnswer, OrderRecord
from shop_proof.verify.testimony import Placing, Testimony

MOST_FINDINGS = 20
"""Sentences that are kept of each promise; more are only counted."""


class Outcome(StrEnum):
    """What can be said of a promise."""

    OK = "ok"
    BROKEN = "broken"
    OPEN = "open"
    """Nothing contradicts it, but something is still to be decided, so it cannot be said yet."""
    NOT_VISIBLE = "not visible"


class Verdict(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A promise's outcome. `evidence` says how much was looked at, `findings` what contradicts it.

    `count` is how many findings there were; `not_visible` says which part cannot be seen from here, and what shows it.
    """

    number: int
    name: str
    outcome: Outcome
    evidence: str
    findings: Sequence[str]
    count: int
    not_visible: str

    def withheld(self) -> "Verdict":
        """No verdict, because things moved while they were looked at."""
        outcome = self.outcome if self.outcome is Outcome.NOT_VISIBLE else Outcome.OPEN
        return msgspec.structs.replace(self, outcome=outcome, findings=(), count=0)


@dataclass(frozen=True, slots=True)
class Scene:
    """What is looked at, and when: `system_runs` says whether anything can still move, `is_quiet` that nothing will."""

    now: datetime
    system_runs: bool
    is_quiet: bool = False


class Promise:
    """One promise. Each kind of evidence is shown to every promise, piece by piece, in the order of the methods."""

    number: ClassVar[int]
    name: ClassVar[str]
    not_visible: ClassVar[str] = ""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._findings: list[str] = []
        self._broken = 0
        self._open = 0

    def see_testimony(self, testimony: Testimony) -> None:
        """All that clients have said, first."""

    def see_case(self, case: Case) -> None:
        """One order's id, and all that is known of it."""

    def see_book(self, book: Book) -> None:
        """One product, after all cases."""

    def see_kept_answer(self, kept: KeptAnswer, told: Order | None, order: OrderRecord | None) -> None:
        """One answer that is kept, the order that it tells of, and that order as it is, if it is there."""

    def see_placing(self, placing: Placing, kept: KeptAnswer | None) -> None:
        """All requests of a client with one key, and what is kept for that key."""

    def see_user(self, told: User, account: Account | None) -> None:
        """One user that a client was told of, and the account, if it is there."""

    def see_event(self, event: SentEvent) -> None:
        """One event that somebody is to act on."""

    def see_dead_letter(self, letter: DeadLetter) -> None:
        """One event that was given up on."""

    def conclude(self) -> None:
        """There is no more evidence."""

    def evidence(self) -> str:
        """How much was looked at."""
        return ""

    def unseen(self) -> str:
        """Which part of the promise cannot be seen from here."""
        return self.not_visible

    def broken(self, sentence: str) -> None:
        """This contradicts the promise."""
        self._broken += 1
        self._note(sentence)

    def undecided(self, sentence: str) -> None:
        """Because of this the promise cannot be judged yet."""
        self._open += 1
        self._note(sentence)

    def verdict(self) -> Verdict:
        """What there is to say after all that was seen."""
        self.conclude()
        return Verdict(
            number=self.number,
            name=self.name,
            outcome=self.outcome(),
            evidence=self.evidence(),
            findings=tuple(self._findings),
            count=self._broken + self._open,
            not_visible=self.unseen(),
        )

    def outcome(self) -> Outcome:
        """What the findings come to."""
        if self._broken:
            return Outcome.BROKEN
        return Outcome.OPEN if self._open else Outcome.OK

    def _note(self, sentence: str) -> None:
        if len(self._findings) < MOST_FINDINGS:
            self._findings.append(sentence)


def counted(count: int, noun: str) -> str:
    """`1 order`, `5,120 orders`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
