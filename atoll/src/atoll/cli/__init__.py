"""The command line: `atoll up`, `atoll status`, and the commands that a system brings along."""

import time

BEGAN = time.monotonic()
"""When this process began to work, near enough: starts are timed from here."""


def main() -> None:
    """The entry point `atoll`."""
    from atoll.cli.commands import atoll

    atoll(prog_name="atoll")
