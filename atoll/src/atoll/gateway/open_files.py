"""Each connection is an open file, of which a process may have only so many: often 1,024, and more if it asks."""

from collections.abc import Iterator
from contextlib import contextmanager

from atoll.observability.logging import get_logger

SPARE = 256
"""Files beside connections: sockets to databases and registries, logs, modules."""

log = get_logger()


@contextmanager
def enough_open_files(connections: int) -> Iterator[None]:
    """Within, this process may have so many connections; a warning says so if the system does not let it."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        yield
        return
    needed = connections + SPARE
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before != resource.RLIM_INFINITY and before < needed:
        possible = needed if most == resource.RLIM_INFINITY else min(needed, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (possible, most))
        if possible < needed:
            log.warning("not enough open files are allowed", allowed=possible, needed=needed, see="ulimit -n")
    yield
