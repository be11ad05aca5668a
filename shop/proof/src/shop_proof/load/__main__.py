"""`python -m shop_proof.load`, which is `atoll load`."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
import uvloop
from rich.console import Console

from atoll.clock import SystemClock
from shop_proof.history import HistoryFile, NoHistory, Recorder
from shop_proof.load import plan as plans
from shop_proof.load.people import Administrator, NotReady
from shop_proof.load.running import Load
from shop_proof.load.summary import Result, print_summary
from shop_proof.load.view import view_for


class _Parsed(click.ParamType[Any]):
    """An option that a function reads; its ValueError is told as it is."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--url",
    envvar="GATEWAY_URL",
    default="http://127.0.0.1:3000",
    type=_Parsed("url", plans.local_url),
    help="The gateway, on this machine; that of the running system by default.",
)
@click.option("--buyers", type=click.IntRange(1, plans.MOST_BUYERS), default=8, show_default=True, help="Who sign up.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, plans.MOST_HANDS),
    default=16,
    show_default=True,
    help="How many actions are under way at once, at most.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 100_000),
    help="Actions a second, on schedule whatever the answers do; as fast as answers come when left out.",
)
@click.option(
    "--for", "seconds", type=click.FloatRange(0.1, plans.LONGEST), default=10.0, show_default=True, help="Seconds."
)
@click.option(
    "--count",
    type=click.IntRange(1, plans.MOST_ACTIONS),
    default=plans.MOST_ACTIONS,
    show_default=True,
    help="How many actions at most.",
)
@click.option(
    "--lines",
    type=_Parsed("lines", plans.parse_lines),
    default="1-3",
    show_default=True,
    help="Lines of each order, from 1 to 20.",
)
@click.option(
    "--mix",
    type=_Parsed("mix", plans.parse_mix),
    default=plans.written(plans.DEFAULT_MIX),
    show_default=True,
    help="How often orders are placed, cancelled and read, and placed ones asked for again with the same key.",
)
@click.option("--existing", is_flag=True, help="Buy what the catalogue has, instead of products made for this.")
@click.option(
    "--stock",
    type=click.IntRange(1, 10**9),
    help="Make new products with so many units each, to see them sold out.",
)
@click.option(
    "--history",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Add all that is sent and answered to this file, for `atoll verify --history`.",
)
def load(history: Path | None, concurrency: int, **options: Any) -> None:
    """Have buyers place, cancel and read orders through the gateway, and say how that went.

    Ends by itself, or at Ctrl-C, when it has finished what is under way. The exit code is 1 when anything was answered
    otherwise than promised.
    """
    plan = plans.Plan(hands=concurrency, told=history is not None, **options)
    console = Console(highlight=False)
    try:
        with HistoryFile(history, plan.url) if history else nullcontext(NoHistory()) as recorder:
            result = uvloop.run(_run(plan, recorder, console))
    except NotReady as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"The history cannot be written: {error}.") from error
    print_summary(result, console)
    if history:
        console.print(f"Check it with: atoll verify --history {history}", style="dim")
    sys.exit(0 if result.is_good else 1)


async def _run(plan: plans.Plan, recorder: Recorder, console: Console) -> Result:
    with view_for(console) as view:
        load = Load(
            plan,
            admin=_administrator(),
            recorder=recorder,
            view=view,
            clock=SystemClock(),
            chance=random.Random(),  # noqa: S311 - what is bought is no secret
        )
        return await _interruptible(load)


async def _interruptible(load: Load) -> Result:
    """The first Ctrl-C lets what is under way be finished; a second one means now."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _on_signal, load, number)
    return await load.run()


def _on_signal(load: Load, number: signal.Signals) -> None:
    load.stop()
    asyncio.get_running_loop().remove_signal_handler(number)


def _administrator() -> Administrator | None:
    email, password = os.environ.get("ADMIN_EMAIL"), os.environ.get("ADMIN_PASSWORD")
    return Administrator(email, password) if email and password else None


if __name__ == "__main__":
    load(prog_name="atoll load")
