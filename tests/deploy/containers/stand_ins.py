"""The images that ours stand on: their own, or, where no registry can be reached, stand-ins made of Debian.

A run with stand-ins proves our own steps and the wiring, not the images that it stands in for.
"""

import hashlib
import os
import shutil
from pathlib import Path

from tests.deploy.containers.commands import run
from tests.deploy.containers.engines import AUTHORITIES, Engine, NoEngine, own_authorities

SUITE = "trixie"
"""Debian 13, with the versions that compose.yaml names: Python 3.13, PostgreSQL 17, Valkey 8.1."""

OFFICIAL = {
    "BASE_IMAGE": "python:3.13-slim",
    "POSTGRES_IMAGE": "postgres:17",
    "VALKEY_IMAGE": "valkey/valkey:8.1",
    "PROMETHEUS_IMAGE": "prom/prometheus:v3.5.0",
}
"""As in compose.yaml and its overlays, which take others in the environment."""

_HERE = Path(__file__).parent / "stand_ins"


def _digest() -> str:
    """Of the files that the servers' stand-in is made from: another text is another image."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(_HERE.iterdir()))).hexdigest()[:12]


PYTHON = "localhost/atoll-stand-ins/python:3.13"
SERVERS = f"localhost/atoll-stand-ins/servers:{_digest()}"
STAND_INS = {"BASE_IMAGE": PYTHON, "POSTGRES_IMAGE": SERVERS, "VALKEY_IMAGE": SERVERS, "PROMETHEUS_IMAGE": SERVERS}
_PACKAGES = "python3,python3-pip,python3-venv,ca-certificates"


def base_images(engine: Engine, folder: Path) -> dict[str, str]:
    """What to set in the environment for Compose and builds; made in `folder` once, if need be. Raises `NoEngine`."""
    if engine.has(OFFICIAL["BASE_IMAGE"]) and all(map(engine.has, OFFICIAL.values())):
        return OFFICIAL
    if not _is_there(engine, PYTHON):
        _make_python(engine, folder)
    if not _is_there(engine, SERVERS):
        engine.build(SERVERS, _HERE / "Dockerfile", _HERE, {"BASE_IMAGE": PYTHON})
    return STAND_INS


def _is_there(engine: Engine, image: str) -> bool:
    return bool(engine("images", "--quiet", image))


def _make_python(engine: Engine, folder: Path) -> None:
    """Debian and its Python, as a root file system that becomes an image."""
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        raise NoEngine("the base images cannot be pulled, and to make stand-ins takes root and debootstrap")
    root = folder / "root"
    shutil.rmtree(root, ignore_errors=True)
    run(["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", SUITE, str(root)], seconds=600)
    for marker in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        marker.unlink()
    (root / "usr/bin/python").symlink_to("python3")
    if bundle := own_authorities():
        shutil.copy(bundle, root / AUTHORITIES.lstrip("/"))
    packed = folder / "root.tar"
    skipped = ["--exclude=./var/cache/apt/archives/*.deb", "--exclude=./var/lib/apt/lists/*"]
    run(["tar", "--directory", str(root), *skipped, "--create", "--file", str(packed), "."], seconds=120)
    engine("import", "--change", "CMD python3", str(packed), PYTHON, seconds=300)
    shutil.rmtree(root)
    packed.unlink()
