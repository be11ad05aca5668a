"""`python -m shop_demo`, which is `atoll demo`: walks through the shop that runs at GATEWAY_URL."""

import argparse
import os
import sys

from shop_demo.calls import Shop, Surprise
from shop_demo.paper import Paper
from shop_demo.walk import Administrator, walk

NEEDED = ("GATEWAY_URL", "ADMIN_EMAIL", "ADMIN_PASSWORD")

_ABOUT = """Walk through the running shop as a customer would: register, sign in, order and cancel.
Prints each call as curl would make it. The exit code is 0 when every call went as it should,
1 at the first surprise, and 2 without a shop."""


def main() -> int:
    """The exit code: 0 when every call went as it should, 1 at the first surprise, 2 without a shop."""
    argparse.ArgumentParser("atoll demo", description=_ABOUT).parse_args()
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        print(f"{', '.join(missing)} must be in the environment; run this as `atoll demo`.", file=sys.stderr)
        return 2
    url, email, password = (os.environ[name] for name in NEEDED)
    paper = Paper(sys.stdout)
    try:
        walk(Shop(url, paper, secrets={"ADMIN_PASSWORD": password}), Administrator(email, password), paper)
    except Surprise as surprise:
        paper.bad(str(surprise))
        return 1
    paper.good("All of it went as it should.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
