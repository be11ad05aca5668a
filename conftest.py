"""Before pytest looks into atoll/tests: `atoll` is the installed package, not the folder of that name."""

import atoll  # noqa: F401 - claims the name in sys.modules

pytest_plugins = ["atoll.testing.database_fixtures"]
