"""`python deploy/assemble.py orders /opt/atoll`: what an image holds of ours, for one program of the system file.

`program/` gets its distribution and those of ours that it depends on, installed as wheels would be; `bin/run` starts
it, and `bin/healthy /ready` asks it how it is. A program is one of `[services]`, or one of `[commands]`, which runs and
ends.
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
    """A folder with a pyproject.toml: the names of its packages, and of the distributions it depends on."""

    folder: Path
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


def folders_for(module: str, ours: dict[str, Distribution]) -> list[Path]:
    """The folders of the distribution that has `module`, and of those of ours that it stands on."""
    package = module.partition(".")[0]
    waiting = [name for name, distribution in ours.items() if package in distribution.packages]
    found: dict[str, Path] = {}
    while waiting:
        name = waiting.pop()
        found[name] = ours[name].folder
        waiting += [needed for needed in ours[name].needs if needed in ours and needed not in found]
    return sorted(found.values())


def launchers(program: Program) -> dict[str, str]:
    """The commands of the image, each a script that becomes what it starts, to get the signals meant for it."""
    scripts = {"run": f'exec python -m {program.module} "$@"'}
    if program.module == GATEWAY:
        scripts["run"] = f': "${{ATOLL_CONFIG:={ROUTES}}}"\nexport ATOLL_CONFIG\n{scripts["run"]}'
    if program.health_port:
        scripts["healthy"] = f'exec python -m atoll.healthcheck "http://127.0.0.1:{program.health_port}${{1:-/health}}"'
    return {name: f"#!/bin/sh\n{lines}\n" for name, lines in scripts.items()}


def assemble(name: str, into: Path) -> None:
    """Put everything of the program below `into`."""
    program = program_named(name, tomllib.loads(SYSTEM_FILE.read_text(encoding="utf-8")))
    _install(folders_for(program.module, distributions()), into / "program")
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
    return project["name"], Distribution(
        pyproject.parent, frozenset(Path(package).name for package in packages), frozenset(needs)
    )


def _install(folders: list[Path], target: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", str(target), *map(str, folders)], check=True)


if __name__ == "__main__":
    assemble(sys.argv[1], Path(sys.argv[2]))
