"""`make faults`: rounds of a storm on a whole shop, until the time is up; a verdict, and how much it says.

make faults                 # for ten minutes, from a new seed
make faults FOR=60          # at least one round
make faults SEED=4711       # the same faults again
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.storm.bound import sentence
from tests.faults.storm.in_flight import InFlight
from tests.faults.storm.plan import BROKER, DISK, FORKS, POSTGRES, storm
from tests.faults.storm.round import HOLD_SECONDS, REPLICATED, Kept, Outcome, Round
from tests.faults.storm.small_disk import small_disk

from atoll.lifecycle import StartFailed
from atoll.observability.logging import configure_logging
from atoll.runner.embedded_postgres.binaries import binaries

ROUND = 40.0
"""Seconds of a storm."""

SERVICES = ("gateway", "registry", *REPLICATED, *(f"{name}-2" for name in REPLICATED))


def main() -> int:
    """0 when every promise was kept."""
    parser = argparse.ArgumentParser(prog="make faults", description="Hurt a shop, and see whether it keeps its word.")
    parser.add_argument("--for", dest="seconds", type=float, default=600.0, help="seconds in all, about (600)")
    parser.add_argument("--seed", default="", help="the seed of an earlier run")
    options = parser.parse_args()
    configure_logging("faults", level="error")
    seed = options.seed or str(random.randrange(10**6))  # noqa: S311 - no secret
    print(f"Seed {seed}: the same faults come with `make faults SEED={seed}`.", flush=True)
    give_up = time.monotonic() + options.seconds
    kills: list[InFlight] = []
    number = 0
    while number == 0 or time.monotonic() + ROUND < give_up:
        number += 1
        outcome = _round(f"{seed}.{number}", "postgresql" if number % 2 == 0 and _has_postgres() else "sqlite")
        kills += outcome.kills
        if outcome.findings:
            print(f"\nNot as promised, in round {number} of seed {seed}:", *outcome.findings, sep="\n- ", flush=True)
            return 1
    met = [kill for kill in kills if kill]
    print(f"\n{number} rounds, every promise kept. {len(kills)} kills, {len(met)} of them met work in flight.")
    print(f"Lost, doubled or oversold: {sentence(len(met))}.")
    return 0


def _round(seed: str, engine: str) -> Outcome:
    with _kept(engine) as kept:
        extra = [POSTGRES] if engine == "postgresql" else [DISK] if kept.disk else []
        forks = [FORKS] if sys.platform == "linux" else []
        steps = storm(seed, [*SERVICES, BROKER, *forks, *extra], seconds=ROUND, long_stop=HOLD_SECONDS + 2.0)
        print(f"\nRound {seed} on {engine}, two of each service, {len(steps)} faults", flush=True)
        if engine == "sqlite" and kept.disk is None:
            print("  (no disk is filled: only root can mount a small one)", flush=True)
        say = lambda words: print(f"  {words}", flush=True)  # noqa: E731 - a word is enough
        outcome = asyncio.run(Round(kept, steps, ROUND + 1, say=say).run())
        if outcome.findings:
            shutil.copytree(kept.folder, place := tempfile.mkdtemp(prefix="atoll-faults-"), dirs_exist_ok=True)
            print(f"  Its data and the history are kept in {place}", flush=True)
    print(
        f"  {outcome.orders}; {outcome.requests:,} requests, {outcome.unanswered:,} without an answer; "
        f"quiet after {outcome.quiet_after:.1f} s; {len(outcome.findings) or 'no'} findings",
        flush=True,
    )
    return outcome


@contextmanager
def _kept(engine: str) -> Iterator[Kept]:
    """A folder that another account can pass through: PostgreSQL refuses to run as root."""
    with tempfile.TemporaryDirectory(prefix="atoll-faults-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        if engine == "postgresql":
            yield Kept(folder, ["--database", "postgresql"])
            return
        (folder / "data").mkdir()
        with small_disk(folder / "data") as disk:
            yield Kept(folder, disk=disk)


def _has_postgres() -> bool:
    try:
        binaries()
    except StartFailed:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
