"""`python -m shop_demo`, which is `atoll demo`: walks through the shop that runs at GATEWAY_URL."""

import os
import sys

from shop_demo.calls import Shop, Surprise
from shop_demo.paper import Paper
from shop_demo.walk import Administrator, walk


def main() -> int:
    """The exit code: 0 when every call went as it should, 1 at the first surprise, 2 without a shop."""
    try:
        url = os.environ["GATEWAY_URL"]
        admin = Administrator(os.environ["ADMIN_EMAIL"], os.environ["ADMIN_PASSWORD"])
    except KeyError as missing:
        print(f"{missing.args[0]} is missing; run this as `atoll demo`.", file=sys.stderr)
        return 2
    paper = Paper(sys.stdout)
    try:
        walk(Shop(url, paper), admin, paper)
    except Surprise as surprise:
        paper.bad(str(surprise))
        return 1
    paper.good("All of it went as it should.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
