"""The verdicts, for people in lines and for programs as JSON."""

from collections.abc import Iterator, Sequence

import click
import msgspec

from shop_proof.verify.promises import Outcome, Verdict

_COLOURS = {Outcome.OK: "green", Outcome.BROKEN: "red", Outcome.OPEN: "yellow", Outcome.NOT_VISIBLE: "bright_black"}
_INDENT = " " * 4


class Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The verdicts on the promises, and what was found when the system was looked at.

    `waited` is in seconds. `pending` and `held` are orders and holds that were still undecided, `events` those not
    acted on. `is_still` says that nothing moved meanwhile. `requests` are those of the histories, `unanswered` those
    among them without an answer.
    """

    verdicts: Sequence[Verdict]
    system_runs: bool
    waited: float
    pending: int
    held: int
    events: int
    is_still: bool
    requests: int
    unanswered: int

    @property
    def is_good(self) -> bool:
        """Whether no promise is broken, and none is open."""
        return all(verdict.outcome in (Outcome.OK, Outcome.NOT_VISIBLE) for verdict in self.verdicts)

    def as_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2)

    def lines(self) -> Iterator[str]:
        """What people read, in colours that a pipe does not get to see."""
        yield self._scene()
        if self.requests:
            yield f"Clients tell of {self.requests:,} requests, {self.unanswered:,} of them without an answer."
        yield ""
        for verdict in self.verdicts:
            yield from _lines_of(verdict)
        yield ""
        yield self._conclusion()

    def _scene(self) -> str:
        if not self.is_still:
            return "The system is at work. Stop what keeps it busy, and verify again."
        is_quiet = not (self.pending or self.held or self.events)
        left = f"{self.pending:,} orders, {self.held:,} holds and {self.events:,} events are still undecided"
        if self.system_runs and is_quiet:
            return f"Quiet after {self.waited:g} s: nothing is pending, held or on its way."
        if self.system_runs:
            return f"Not quiet after {self.waited:g} s: {left}."
        if is_quiet:
            return "Nothing runs here, and nothing was left undecided."
        return f"Nothing runs here; {left}. Start the system to let it decide."

    def _conclusion(self) -> str:
        broken = [verdict for verdict in self.verdicts if verdict.outcome is Outcome.BROKEN]
        undecided = [verdict for verdict in self.verdicts if verdict.outcome is Outcome.OPEN]
        if broken:
            return click.style(f"Broken: {_names(broken)}.", fg="red", bold=True)
        if undecided:
            return click.style(f"Nothing is broken, but this cannot be said yet: {_names(undecided)}.", fg="yellow")
        return click.style("Every promise that can be seen from here is kept.", fg="green", bold=True)


def _lines_of(verdict: Verdict) -> Iterator[str]:
    outcome = click.style(f"{verdict.outcome:12}", fg=_COLOURS[verdict.outcome])
    is_unseen = verdict.outcome is Outcome.NOT_VISIBLE
    yield f"{verdict.number:2}  {verdict.name:25}{outcome}{verdict.not_visible if is_unseen else verdict.evidence}"
    if verdict.not_visible and not is_unseen:
        yield f"{_INDENT}not visible here: {verdict.not_visible}"
    for finding in verdict.findings:
        yield f"{_INDENT}- {finding}."
    if verdict.count > len(verdict.findings):
        yield f"{_INDENT}- and {verdict.count - len(verdict.findings):,} more."


def _names(verdicts: Sequence[Verdict]) -> str:
    return ", ".join(f"{verdict.number} {verdict.name}" for verdict in verdicts)
