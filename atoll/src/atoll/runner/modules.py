"""Looking for a module without running any of it."""

import sys
from importlib.machinery import ModuleSpec, PathFinder


def can_be_run(module: str) -> bool:
    """Whether `python -m` would find a program: a module, or a package with a `__main__`."""
    spec = _find(module)
    if spec is not None and spec.submodule_search_locations is not None:
        return can_be_imported(f"{module}.__main__")
    return spec is not None


def can_be_imported(module: str) -> bool:
    """Whether there is such a module; unlike `importlib.util.find_spec`, imports no parent of it."""
    return _find(module) is not None


def _find(module: str) -> ModuleSpec | None:
    """Looked for by the last part of its name: by the whole one, Python wants the packages above to be imported."""
    parent, _, name = module.rpartition(".")
    path: list[str] | None = ["", *sys.path]
    if parent:
        package = _find(parent)
        path = None if package is None else package.submodule_search_locations
    return None if path is None else PathFinder.find_spec(name, list(path))
