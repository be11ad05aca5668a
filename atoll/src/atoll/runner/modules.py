"""Looking for a module without running any of it."""

import sys
from importlib.machinery import PathFinder


def can_be_imported(module: str) -> bool:
    """Whether `python -m` would find `module` from here; unlike `importlib.util.find_spec`, imports no parent."""
    path: list[str] = ["", *sys.path]
    names = module.split(".")
    for depth in range(1, len(names) + 1):
        spec = PathFinder.find_spec(".".join(names[:depth]), path)
        if spec is None:
            return False
        path = list(spec.submodule_search_locations or ())
    return True
