"""products, whose group begins with the next message, whatever the broker has already."""

import runpy

from atoll.events.valkey import groups

groups._MAKE_GROUP = groups._MAKE_GROUP.replace("ARGV[1], '0'", "ARGV[1], '$'")

if __name__ == "__main__":
    runpy.run_module("shop_products", run_name="__main__")
