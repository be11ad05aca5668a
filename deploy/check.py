"""`python -m deploy.check`: everything here that a program can judge without running it. `make check` does this.

A tool that this machine cannot have is said to be missing; the rest is judged all the same.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from deploy.make_secrets import make

DEPLOY = Path(__file__).parent
OVERLAYS = ("development", "production", "production/migrations")


class Wrong(Exception):
    """What a tool found."""


class Missing(Exception):
    """A tool that is not here."""


def main() -> int:
    """The exit code: 0 when nothing is wrong. Prints what is, and what could not be looked at."""
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(os.cpu_count()) as pool:
        checks = list(_checks(Path(scratch)))
        outcomes = list(pool.map(_outcome, [check for _, check in checks]))
    for (name, _), outcome in zip(checks, outcomes, strict=True):
        if outcome:
            print(f"{name}: {outcome}")
    wrong = sum(isinstance(outcome, Wrong) for outcome in outcomes)
    print(f"deploy: {len(checks)} things looked at, {wrong} wrong.")
    return 1 if wrong else 0


def rendered(overlay: str, scratch: Path) -> str:
    """The manifests of an overlay, as `kubectl apply -k` would send them."""
    folder = scratch / overlay.replace("/", "-")
    shutil.copytree(DEPLOY, folder, ignore=shutil.ignore_patterns("secrets", "__pycache__"))
    make(folder / "kubernetes" / "development" / "secrets")
    return _run("kubectl", "kustomize", str(folder / "kubernetes" / overlay))


def compose_configured(files: Sequence[str], scratch: Path, *arguments: str) -> str:
    """What Compose makes of those files together."""
    named = [part for file in files for part in ("--file", str(DEPLOY / file))]
    return _run("docker-compose", *named, "config", *arguments, env={"SECRETS": str(scratch)})


def _checks(scratch: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    for overlay in OVERLAYS:
        yield f"kubernetes/{overlay}", partial(_manifests_are_valid, overlay, scratch)
    for file in sorted(DEPLOY.glob("compose*.yaml")):
        schema = ("--quiet", "--builtin-schema", "vendor.compose-spec", str(file))
        yield f"{file.name}, by its schema", partial(_run, "check-jsonschema", *schema)
        together = dict.fromkeys(["compose.yaml", file.name])
        yield f"{file.name}, by Compose", partial(compose_configured, tuple(together), scratch, "--quiet")
    for name in ("prometheus.yaml", "alerts.yaml", "alerts.test.yaml"):
        yield f"prometheus/{name}", partial(_prometheus, name)
    yield "Dockerfile", partial(_run, "hadolint", str(DEPLOY / "Dockerfile"))


def _manifests_are_valid(overlay: str, scratch: Path) -> None:
    file = scratch / f"{overlay.replace('/', '-')}.yaml"
    file.write_text(rendered(overlay, scratch), encoding="utf-8")
    _run("kubernetes-validate", "--strict", "--quiet", str(file))


def _prometheus(file: str) -> None:
    doing = {"prometheus.yaml": ("check", "config"), "alerts.yaml": ("check", "rules")}.get(file, ("test", "rules"))
    _run("promtool", *doing, str(DEPLOY / "prometheus" / file))


def _outcome(check: Callable[[], object]) -> Exception | None:
    try:
        check()
    except (Wrong, Missing) as outcome:
        return outcome
    return None


def _run(tool: str, *arguments: str, env: dict[str, str] | None = None) -> str:
    """What the tool writes. Raises `Wrong` with all it said when it is not content, and `Missing`."""
    program = _found(tool)
    ended = subprocess.run(
        [program, *arguments],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if ended.returncode != 0:
        raise Wrong(f"{tool} is not content:\n{ended.stdout}{ended.stderr}".rstrip())
    return ended.stdout


def _found(tool: str) -> str:
    """Beside this Python, or wherever the machine has it."""
    beside = Path(sys.executable).with_name(tool)
    program = str(beside) if beside.exists() else shutil.which(tool)
    if program is None:
        raise Missing(f"not looked at; {tool} is not on this machine ({platform.system()} {platform.machine()}).")
    return program


if __name__ == "__main__":
    sys.exit(main())
