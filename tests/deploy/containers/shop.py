"""The shop in containers: its images, and its Compose project."""

import json
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.make_secrets import make
from tests.deploy.containers.commands import CommandFailed, filtered, run
from tests.deploy.containers.engines import Engine

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
FILES = ("compose.yaml", "compose.monitoring.yaml")
SERVICES = ("registry", "users", "products", "orders", "gateway")
COMMANDS = ("verify",)
SUBNET = "10.83.65.0/24"
"""Not that of compose.yaml, so that a shop that runs here already is left alone."""

UP_SECONDS = 240

_COMPOSE = [
    str(Path(sys.executable).with_name("docker-compose")),
    *(part for file in FILES for part in ("--file", str(DEPLOY / file))),
]


@dataclass(frozen=True)
class Shop:
    """One project of Compose, with names of its own, on a free port of this machine."""

    engine: Engine
    folder: Path
    """For secrets, and for what clients were told."""
    port: int
    watch_port: int
    """Prometheus's."""
    environment: dict[str, str]

    def compose(self, *arguments: str, seconds: float = 60) -> str:
        """What `docker compose` writes."""
        return run([*_COMPOSE, *arguments], env=self.environment, seconds=seconds)

    def filter(self, service: str, *command: str, input: bytes = b"") -> bytes:
        """What a command in the container of a service makes of `input`."""
        return filtered([*_COMPOSE, "exec", "-T", service, *command], input, env=self.environment, seconds=120)

    def up(self, *arguments: str) -> None:
        """Start what is not running, and return when all of it is ready."""
        never = ("--no-build", "--pull", "never")
        self.compose("up", "--detach", "--wait", *never, *arguments, seconds=UP_SECONDS)

    def containers(self, service: str) -> list[str]:
        """Those of a service that run, by id."""
        return self.compose("ps", "--quiet", service).split()

    def crash(self, container: str) -> None:
        """SIGKILL to its first process: the engine does not know that anybody meant it. Returns when it is back.

        By the restart policy alone, where the engine's processes are ours to kill; AssertionError when that takes
        longer than a minute.
        """
        process = self.engine.inspect(container)["State"]["Pid"]
        try:
            os.kill(process, signal.SIGKILL)
        except (PermissionError, ProcessLookupError):  # the engine is another user's, or in a machine of its own
            self.engine("restart", "--time", "0", container)
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:
            state = self.engine.inspect(container)["State"]
            health = (state.get("Health") or state.get("Healthcheck") or {}).get("Status")
            if state["Running"] and state["Pid"] != process and health == "healthy":
                return
            time.sleep(0.2)
        raise AssertionError(f"{container} did not come back within a minute: {state}")

    def upgrade(self, service: str, version: str) -> None:
        """A rolling one, as README.md has it: new instances beside the old, which are then asked to stop."""
        old = self.containers(service)
        self.environment["VERSION"] = version
        self.up("--no-deps", "--no-recreate", "--scale", f"{service}={2 * len(old)}", service)
        self.engine("stop", *old)
        self.engine("rm", *old)

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text(encoding="utf-8").strip()

    def in_container(self, service: str, *command: str) -> str:
        return self.compose("exec", "-T", service, *command)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def tags_of(version: str) -> list[str]:
    """Of the images of the shop, one for each program."""
    return [f"atoll/{program}:{version}" for program in (*SERVICES, *COMMANDS)]


def build_images(engine: Engine, base: str, version: str) -> None:
    """Build all images of the shop."""
    for program, tag in zip((*SERVICES, *COMMANDS), tags_of(version), strict=True):
        arguments = {"SERVICE": program, "VERSION": version, "BASE_IMAGE": base}
        engine.build(tag, DEPLOY / "Dockerfile", ROOT, arguments)


@contextmanager
def project(engine: Engine, folder: Path, images: Mapping[str, str], version: str) -> Iterator[Shop]:
    """A shop that is not up yet; at the end, nothing is left of it."""
    make(folder / "secrets")
    port, watch_port = _free_port(), _free_port()
    environment = {
        **engine.environment,
        **images,
        "COMPOSE_PROJECT_NAME": f"atoll-trial-{secrets.token_hex(3)}",
        "COMPOSE_PROGRESS": "plain",
        "SECRETS": str(folder / "secrets"),
        "GATEWAY_ADDRESS": f"127.0.0.1:{port}",
        "PROMETHEUS_ADDRESS": f"127.0.0.1:{watch_port}",
        "ATOLL_SUBNET": SUBNET,
        "VERSION": version,
    }
    shop = Shop(engine, folder, port, watch_port, environment)
    try:
        yield shop
    except (CommandFailed, AssertionError):
        print(shop.compose("ps", "--all"), *_addresses(shop), *_last_words(shop), sep="\n", file=sys.stderr)
        raise
    finally:
        shop.compose("--profile", "*", "down", "--volumes", "--timeout", "5", "--remove-orphans", seconds=180)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _addresses(shop: Shop) -> list[str]:
    networks = {name: state["NetworkSettings"]["Networks"] for name, state in states(shop).items()}
    return [f"{name}: {network} {one['IPAddress']}" for name, all_ in networks.items() for network, one in all_.items()]


def _last_words(shop: Shop) -> list[str]:
    return shop.compose("logs", "--tail", "25").splitlines()


def states(shop: Shop) -> dict[str, dict[str, Any]]:
    """Every container of the project by its name, as the engine has it."""
    lines = shop.compose("ps", "--all", "--format", "json").splitlines()
    names = [json.loads(line)["Name"] for line in lines if line.startswith("{")]
    return {name: shop.engine.inspect(name) for name in names}
