"""What came of it: every action's outcome and latency, added up as they end."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from shop_proof.load.latencies import Latencies
from shop_proof.load.plan import Kind

MOST_SAMPLES = 5
"""Unexpected outcomes that are told in words; more are only counted."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one action ended: the status of its last answer, 0 for none.

    `surprise` says in words what was not as promised; empty when all was.
    """

    kind: Kind
    status: int
    surprise: str = ""


@dataclass(slots=True)
class Tally:
    """The sum of all outcomes. Latencies are of whole actions, repeats and pauses included."""

    statuses: dict[Kind, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    latencies: dict[Kind, Latencies] = field(default_factory=lambda: defaultdict(Latencies))
    all_latencies: Latencies = field(default_factory=Latencies)
    repeats: Counter[int] = field(default_factory=Counter)
    """Attempts that were repeated, by what they came to: a status, or 0 for no answer."""
    surprises: int = 0
    samples: list[str] = field(default_factory=list)
    actions: int = 0

    @property
    def orders(self) -> int:
        """Orders placed."""
        return self.statuses[Kind.PLACE][201]

    @property
    def requests(self) -> int:
        return self.actions + self.repeats.total()

    def repeated(self, status: int) -> None:
        """An attempt came to nothing that counts, and is repeated."""
        self.repeats[status] += 1

    def add(self, outcome: Outcome, seconds: float) -> None:
        self.actions += 1
        self.statuses[outcome.kind][outcome.status] += 1
        self.latencies[outcome.kind].add(seconds)
        self.all_latencies.add(seconds)
        if outcome.surprise:
            self.surprises += 1
            if len(self.samples) < MOST_SAMPLES:
                self.samples.append(outcome.surprise)
