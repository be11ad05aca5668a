"""`python deploy/assemble.py orders wheels /opt/atoll`: what an image holds of ours, for one program of the system.

Of the folder `wheels`, `program/` gets its distribution and those of ours that it depends on; `bin/run` starts it, and
`bin/healthy /ready` asks it how it is. A program is one of `[services]`, or one of `[commands]`, which runs and ends.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SYSTEM_FILE = ROOT / "shop" / "atoll.toml"
GATEWAY = "atoll.gateway"
ROUTES = "/opt/atoll/program/atoll.toml"
"""Where the gateway's image has the system file, unless `ATOLL_CONFIG` says otherwise."""


@dataclass(frozen=True)
class Distribution:
    """What its pyproject.toml says: the names of its packages, and of the distributions it depends on."""

    packages: frozenset[str]
    needs: frozenset[str]


@dataclass(frozen=True)
class Program:
    """What runs in the image: a module, and where it tells how it is, in the words of a shell."""

    module: str
    health_port: str | None
    """Such as `${PORT:-3003}`; None for a command, which nobody asks."""


def program_named(name: str, system: dict[str, Any]) -> Program:
    """The program of that name in the system file; KeyError with the names that there are."""
    if name in system["services"]:
        service = system["services"][name]
        return Program(service["module"], _health_port(service))
    if name in system["commands"]:
        return Program(system["commands"][name]["module"], None)
    raise KeyError(f"{name!r} is none of {', '.join([*system['services'], *system['commands']])}.")


def distributions() -> dict[str, Distribution]:
    """All of ours by name."""
    files = [ROOT / "atoll" / "pyproject.toml", *sorted(ROOT.glob("shop/*/pyproject.toml"))]
    return dict(map(_distribution, files))


def distributions_for(module: str, ours: dict[str, Distribution]) -> list[str]:
    """The name of the distribution that has `module`, and of those of ours that it stands on."""
    package = module.partition(".")[0]
    waiting = [name for name, distribution in ours.items() if package in distribution.packages]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting += [needed for needed in ours[name].needs if needed in ours and needed not in found]
    return sorted(found)


def launchers(program: Program) -> dict[str, str]:
    """The commands of the image, each a script that becomes what it starts, to get the signals meant for it."""
    scripts = {"run": f'exec python -m {program.module} "$@"'}
    if program.module == GATEWAY:
        scripts["run"] = f': "${{ATOLL_CONFIG:={ROUTES}}}"\nexport ATOLL_CONFIG\n{scripts["run"]}'
    if program.health_port:
        scripts["healthy"] = f'exec python -m atoll.healthcheck "http://127.0.0.1:{program.health_port}${{1:-/health}}"'
    return {name: f"#!/bin/sh\n{lines}\n" for name, lines in scripts.items()}


def assemble(name: str, wheels: Path, into: Path) -> None:
    """Put everything of the program below `into`."""
    program = program_named(name, tomllib.loads(SYSTEM_FILE.read_text(encoding="utf-8")))
    _install(distributions_for(program.module, distributions()), wheels, into / "program")
    (into / "bin").mkdir(parents=True)
    for script, text in launchers(program).items():
        (into / "bin" / script).write_text(text, encoding="utf-8")
        (into / "bin" / script).chmod(0o755)
    if program.module == GATEWAY:
        shutil.copy(SYSTEM_FILE, into / "program")


def _health_port(service: dict[str, Any]) -> str:
    """That for operations, where a service has one."""
    ports = service.get("ports", {})
    name = "ops_port" if "ops_port" in ports else "port"
    return f"${{{name.upper()}:-{ports.get(name, service['port'])}}}"


def _distribution(pyproject: Path) -> tuple[str, Distribution]:
    described = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    project = described["project"]
    packages = described["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needs = (re.split(r"[^A-Za-z0-9._-]", need, maxsplit=1)[0] for need in project.get("dependencies", ()))
    return project["name"], Distribution(frozenset(Path(package).name for package in packages), frozenset(needs))


def _install(names: list[str], wheels: Path, target: Path) -> None:
    options = ["--quiet", "--no-deps", "--no-index", "--find-links", str(wheels), "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, *names], check=True)


if __name__ == "__main__":
    assemble(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
