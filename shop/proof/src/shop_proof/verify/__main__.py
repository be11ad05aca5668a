"""`python -m shop_proof.verify`, which is `atoll verify`."""

import asyncio
import os
import sys
from pathlib import Path

import click

from atoll.clock import SystemClock
from atoll.runner.data_folder import DataFolder
from atoll.storage import DatabaseError
from shop_proof.history import HistoryUnreadable
from shop_proof.verify.promises.nothing_pending import QUIET_WITHIN
from shop_proof.verify.records import RecordUnreadable
from shop_proof.verify.verifying import Verification

SERVICES = ("users", "products", "orders")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--history",
    "histories",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What clients sent and were answered, as `atoll load --history` writes it; may be given repeatedly.",
)
@click.option(
    "--wait",
    type=click.FloatRange(0, 600),
    default=QUIET_WITHIN.total_seconds(),
    show_default=True,
    help="For how many seconds a running system may come to rest.",
)
@click.option("--running", is_flag=True, help="The system runs, though no data folder here tells: in containers, say.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def verify(histories: tuple[Path, ...], wait: float, running: bool, as_json: bool) -> None:
    """Hold the services' databases, and what clients were told, against promises 1 to 12, and 16.

    Works on a running system and on a stopped one, and changes nothing. The exit code is 0 when no promise is broken
    and none is open, else 1.
    """
    verification = Verification(
        urls={service: _database_url(service) for service in SERVICES},
        histories=histories,
        system_runs=running or DataFolder(Path(os.environ.get("ATOLL_DATA", "data"))).is_locked(),
        patience=wait,
        clock=SystemClock(),
    )
    try:
        report = asyncio.run(verification.report())
    except (HistoryUnreadable, RecordUnreadable, DatabaseError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    for line in [report.as_json().decode()] if as_json else report.lines():
        click.echo(line)
    sys.exit(0 if report.is_good else 1)


def _database_url(service: str) -> str:
    """In the environment, or in the file that the environment names, as for every setting of a service."""
    name = f"{service.upper()}_DATABASE_URL"
    if url := os.environ.get(name):
        return url
    try:
        return Path(os.environ[f"{name}_FILE"]).read_text(encoding="utf-8").strip()
    except KeyError:
        raise click.UsageError(f"{name} is missing; run this as `atoll verify`.") from None
    except OSError as error:
        raise click.UsageError(f"{name}_FILE cannot be read: {error}.") from error


if __name__ == "__main__":
    verify(prog_name="atoll verify")
