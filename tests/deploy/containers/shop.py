"""The shop in containers: its images, and its Compose project."""

import json
import os
import secrets
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.make_secrets import make
from tests.deploy.containers.commands import CommandFailed, run
from tests.deploy.containers.engines import Engine

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
COMPOSE = str(Path(sys.executable).with_name("docker-compose"))
SERVICES = ("registry", "users", "products", "orders", "gateway")
COMMANDS = ("verify",)
SUBNET = "10.83.65.0/24"
"""Not that of compose.yaml, so that a shop that runs here already is left alone."""

UP_SECONDS = 240


@dataclass(frozen=True)
class Shop:
    """One project of Compose, with names of its own, on a free port of this machine."""

    engine: Engine
    folder: Path
    """For secrets, and for what clients were told."""
    port: int
    environment: Mapping[str, str]
    files: tuple[str, ...] = ("compose.yaml",)

    def compose(self, *arguments: str, seconds: float = 60) -> str:
        """What `docker compose` writes."""
        files = [part for file in self.files for part in ("--file", str(DEPLOY / file))]
        return run([COMPOSE, *files, *arguments], env=self.environment, seconds=seconds)

    def up(self, *arguments: str) -> None:
        """Start what is not running, and return when all of it is ready."""
        never = ("--no-build", "--pull", "never")
        self.compose("up", "--detach", "--wait", *never, *arguments, seconds=UP_SECONDS)

    def containers(self, service: str) -> list[str]:
        """Those of a service that run, by id."""
        return self.compose("ps", "--quiet", service).split()

    def kill(self, container: str) -> None:
        """SIGKILL to its first process, as a crash would: the engine does not know that anybody meant it."""
        os.kill(int(self.engine.inspect(container)["State"]["Pid"]), signal.SIGKILL)

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text(encoding="utf-8").strip()

    def in_container(self, service: str, *command: str) -> str:
        return self.compose("exec", "-T", service, *command)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def build_images(engine: Engine, base: str, version: str) -> list[str]:
    """The tags of all images of the shop, built."""
    tags = []
    for program in (*SERVICES, *COMMANDS):
        tags.append(f"atoll/{program}:{version}")
        arguments = {"SERVICE": program, "VERSION": version, "BASE_IMAGE": base}
        engine.build(tags[-1], DEPLOY / "Dockerfile", ROOT, arguments)
    return tags


@contextmanager
def project(engine: Engine, folder: Path, port: int, images: Mapping[str, str], version: str) -> Iterator[Shop]:
    """A shop that is not up yet; at the end, nothing is left of it."""
    make(folder / "secrets")
    environment = {
        **engine.environment,
        **images,
        "COMPOSE_PROJECT_NAME": f"atoll-trial-{secrets.token_hex(3)}",
        "COMPOSE_PROGRESS": "plain",
        "SECRETS": str(folder / "secrets"),
        "GATEWAY_ADDRESS": f"127.0.0.1:{port}",
        "ATOLL_SUBNET": SUBNET,
        "VERSION": version,
    }
    shop = Shop(engine, folder, port, environment)
    try:
        yield shop
    except (CommandFailed, AssertionError):
        print(shop.compose("ps", "--all"), *_last_words(shop), sep="\n", file=sys.stderr)
        raise
    finally:
        shop.compose("--profile", "*", "down", "--volumes", "--timeout", "5", "--remove-orphans", seconds=180)


def _last_words(shop: Shop) -> list[str]:
    return shop.compose("logs", "--tail", "25").splitlines()


def states(shop: Shop) -> dict[str, dict[str, Any]]:
    """Every container of the project by its name, as the engine has it."""
    lines = shop.compose("ps", "--all", "--format", "json").splitlines()
    names = [json.loads(line)["Name"] for line in lines if line.startswith("{")]
    return {name: shop.engine.inspect(name) for name in names}
