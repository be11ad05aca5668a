"""structlog, without rich: it loads that for coloured tracebacks, which show the values of variables, and so secrets.

Not loading it saves every process 4 MB and a sixth of its imports. Who wants rich can still import it later.
"""

import sys

_absent = object()
_rich = sys.modules.get("rich", _absent)
sys.modules["rich"] = None  # type: ignore[assignment]  # makes `import rich` fail
try:
    import structlog
    from structlog.typing import EventDict, FilteringBoundLogger, Processor
finally:
    if _rich is _absent:
        del sys.modules["rich"]
    else:
        sys.modules["rich"] = _rich  # type: ignore[assignment]  # what was there

__all__ = ["EventDict", "FilteringBoundLogger", "Processor", "structlog"]
