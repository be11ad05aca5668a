"""`python -m benchmarks [NAME …]`: every benchmark, or those named, as Markdown tables."""

import importlib
import platform
import sys
from datetime import UTC, datetime

from benchmarks.measuring import Skipped, say

BENCHMARKS = (
    "typed_endpoint",
    "storage",
    "calls",
    "gateway",
    "gateway_overload",
    "gateway_slow_clients",
    "events",
    "confirmations",
    "orders",
)


def main(names: list[str]) -> int:
    """Run the benchmarks of these names, and print what each measured; 2 for a name that is none."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        say(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}.")
        return 2
    print(f"Measured on {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {platform.machine()}.\n")
    for name in names or BENCHMARKS:
        say(f"{name} ...")
        try:
            print(importlib.import_module(f"benchmarks.{name}").report(), flush=True)
        except Skipped as reason:
            print(f"{name}: not measured, because {reason}.\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
