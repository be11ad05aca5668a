"""Before pytest looks into atoll/tests: `atoll` is the installed package, not the folder of that name."""

import os

import atoll  # noqa: F401 - claims the name in sys.modules

# Tests share the machine with other tests: that a gateway's loop is late does not mean that it has too much to do.
os.environ.setdefault("MAX_LOOP_DELAY", "10")

pytest_plugins = ["atoll.testing.database_fixtures"]
