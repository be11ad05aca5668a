"""What there is to say at the end."""

from collections import Counter
from dataclasses import dataclass
from functools import partial

from rich.console import Console
from rich.table import Table

from shop_proof.load.latencies import Latencies
from shop_proof.load.tally import Tally

QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True, slots=True)
class Result:
    """A load that is over: `seconds` is how long it took; `wanted_rate` and `missed` are those of a schedule."""

    tally: Tally
    seconds: float
    wanted_rate: float | None = None
    missed: int = 0

    @property
    def is_good(self) -> bool:
        """Whether every action came to what was promised."""
        return self.tally.surprises == 0


def live_line(tally: Tally, seconds: float, orders_a_second: float, requests_a_second: float, busy: int) -> str:
    """How it goes now."""
    latencies = tally.all_latencies
    parts = [
        f"{seconds:5.1f} s",
        f"{orders_a_second:,.0f} orders/s",
        f"{requests_a_second:,.0f} requests/s",
        f"p50 {milliseconds(latencies.quantile(0.5))}",
        f"p99 {milliseconds(latencies.quantile(0.99))}",
        f"{busy} under way",
    ]
    if tally.repeats:
        parts.append(f"{tally.repeats.total():,} repeated")
    if tally.surprises:
        parts.append(f"{tally.surprises:,} unexpected")
    return "  ".join(parts)


def print_summary(result: Result, console: Console) -> None:
    """A table of what was done, and sentences about what was not."""
    tally = result.tally
    say = partial(console.print, soft_wrap=True)
    say(_table(tally))
    say(f"{tally.orders:,} orders, {tally.actions:,} actions, {tally.requests:,} requests{_rates(result)}.")
    if tally.repeats:
        say(f"Asked again, with the same key, after: {_statuses(tally.repeats)}.")
    if result.missed:
        say(f"{result.missed:,} more were due and found no free hand: the system is slower than the rate.")
    for sample in tally.samples:
        say(f"- {sample}", style="red")
    if tally.surprises:
        say(f"{tally.surprises:,} ended otherwise than promised.", style="bold red")
    else:
        say("Every answer was one that was promised.", style="green")


def milliseconds(seconds: float) -> str:
    """`0.0052` is "5.2 ms"."""
    value = seconds * 1000
    return f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"


def _rates(result: Result) -> str:
    seconds = max(result.seconds, 0.001)
    wanted = f" of the {result.wanted_rate:,.0f} wanted" if result.wanted_rate else ""
    rate = result.tally.actions / seconds
    return f" in {seconds:.1f} s: {result.tally.orders / seconds:,.0f} orders/s, {rate:,.0f} actions/s{wanted}"


def _table(tally: Tally) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("action", "answers"):
        table.add_column(column)
    for column in ("count", *(f"p{share * 100:g}" for share in QUANTILES), "max"):
        table.add_column(column, justify="right")
    for kind, latencies in tally.latencies.items():
        table.add_row(kind, _statuses(tally.statuses[kind]), *_times(latencies))
    if len(tally.latencies) > 1:
        table.add_row("all", "", *_times(tally.all_latencies), style="bold")
    return table


def _times(latencies: Latencies) -> list[str]:
    quantiles = [milliseconds(latencies.quantile(share)) for share in QUANTILES]
    return [f"{latencies.count:,}", *quantiles, milliseconds(latencies.highest)]


def _statuses(counts: Counter[int]) -> str:
    """`201: 1,834, no answer: 2`."""
    return ", ".join(f"{status or 'no answer'}: {count:,}" for status, count in sorted(counts.items(), reverse=True))
