"""The table of `atoll status`."""

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from atoll.runner.quantities import duration, size
from atoll.runner.status import ServiceStatus


def status_table(services: Sequence[ServiceStatus]) -> Table:
    """One line for each service, with what it needs and whether that is there."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("service", "state"):
        table.add_column(column)
    for column in ("port", "pid", "uptime", "restarts", "memory"):
        table.add_column(column, justify="right")
    table.add_column("needs")
    for service in services:
        table.add_row(
            service.name,
            _state(service),
            str(service.port or "-"),
            str(service.pid or "-"),
            duration(service.uptime),
            str(service.restarts),
            size(service.memory),
            _checks(service),
        )
    return table


def calls_table(services: Sequence[ServiceStatus]) -> Table:
    """One line for each service that another one calls: its instances as the caller sees them, and the retries."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("calls", "instances"):
        table.add_column(column)
    for column in ("retries", "retries left", "ejections"):
        table.add_column(column, justify="right")
    for service in services:
        for calls in service.calls:
            table.add_row(
                f"{service.name} → {calls.to}",
                _instances(calls.instances),
                str(calls.retries),
                f"{calls.retries_left:.0f}",
                str(calls.ejections),
            )
    return table


def _instances(states: Mapping[str, str]) -> Text:
    """`127.0.0.1:3002 ✓  127.0.0.1:40123 open`."""
    words = [
        Text(f"{address} ✓", style="green") if state == "closed" else Text(f"{address} {state}", style="red")
        for address, state in states.items()
    ]
    return Text("  ").join(words) if words else Text("none known", style="yellow")


def _state(service: ServiceStatus) -> Text:
    if service.ready:
        return Text("ready", style="green")
    if service.healthy:
        return Text("not ready", style="yellow")
    return Text(service.state if service.state != "up" else "no answer", style="red")


def _checks(service: ServiceStatus) -> Text:
    """`database ✓  registry ✗ no answer within 2 s`."""
    words = [
        Text(f"{name} ✓", style="green") if outcome == "up" else Text(f"{name} ✗ {outcome}", style="red")
        for name, outcome in service.checks.items()
    ]
    return Text("  ").join(words)
