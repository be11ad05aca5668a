"""The engine that runs containers here: Docker when there is one, else Podman.

Either serves Docker's API on a socket, so Compose is the same with both.
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.deploy.containers.bridges import steady_bridges
from tests.deploy.containers.commands import CommandFailed, run

BUILD_SECONDS = 600
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian, and so every image here, keeps those whom it trusts."""


class NoEngine(Exception):
    """No containers can be run here; the message says what is missing."""


@dataclass(frozen=True)
class Engine:
    """A running engine: its command line, and the environment that its clients need."""

    client: str
    environment: Mapping[str, str]
    build_environment: Mapping[str, str] = field(default_factory=dict)
    """What its builds need beside: certificates of this machine, say."""

    def __call__(self, *arguments: str, seconds: float = 60) -> str:
        """What the client writes."""
        return run([self.client, *arguments], env=self.environment, seconds=seconds)

    def build(self, tag: str, file: Path, context: Path, arguments: Mapping[str, str]) -> None:
        """Build the image `tag`; only images that are here already are built upon."""
        given = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
        command = [self.client, "build", "--pull=false", "--file", str(file), "--tag", tag, *given, str(context)]
        run(command, env={**self.environment, **self.build_environment}, seconds=BUILD_SECONDS)

    def has(self, image: str) -> bool:
        """Whether the image is here, or could be pulled just now."""
        return self._succeeds("image", "inspect", image) or self._succeeds("pull", "--quiet", image, seconds=300)

    def forget(self, tags: Sequence[str]) -> None:
        """Delete these images, those that are here; what the next build can take over from them is kept."""
        for tag in tags:
            self._succeeds("rmi", "--no-prune", tag)

    def inspect(self, what: str) -> dict[str, Any]:
        """What the engine knows of a container or an image."""
        found: list[dict[str, Any]] = json.loads(self("inspect", what))
        return found[0]

    def _succeeds(self, *arguments: str, seconds: float = 60) -> bool:
        try:
            self(*arguments, seconds=seconds)
        except CommandFailed:
            return False
        return True


@contextmanager
def running_engine(folder: Path) -> Iterator[Engine]:
    """The engine to use, for as long as it is needed; what Podman keeps is in `folder`. Raises `NoEngine`."""
    if _docker_answers():
        yield Engine("docker", {})
    elif shutil.which("podman"):
        with _podman(folder) as engine:
            yield engine
    else:
        raise NoEngine(
            "no Docker engine answers and Podman is not installed; on Debian:"
            " apt install podman runc netavark aardvark-dns uidmap catatonit debootstrap"
        )


def _docker_answers() -> bool:
    try:
        run(["docker", "version", "--format", "{{.Server.Version}}"], seconds=20)
    except CommandFailed:
        return False
    return True


@contextmanager
def _podman(folder: Path) -> Iterator[Engine]:
    """Podman with a store of its own, serving Docker's API on a socket."""
    run_folder = folder / "run"
    run_folder.mkdir(parents=True, exist_ok=True)
    address = run_folder / "api"
    address.unlink(missing_ok=True)
    has_systemd = Path("/run/systemd/system").is_dir()
    environment = {
        "CONTAINERS_STORAGE_CONF": str(_written(folder / "storage.conf", _storage(folder, run_folder))),
        "CONTAINERS_CONF": str(_written(folder / "containers.conf", _settings(has_systemd))),
        "BUILDAH_FORMAT": "docker",  # OCI's own format has no health checks
        "DOCKER_HOST": f"unix://{address}",
    }
    if not has_systemd:
        environment["DISABLE_HC_SYSTEMD"] = "true"
    building = {"CONTAINERS_CONF": str(_written(folder / "building.conf", _settings(has_systemd, _certificates())))}
    with (folder / "service.log").open("wb") as log:
        command = ["podman", "system", "service", "--time=0", f"unix://{address}"]
        service = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
    try:
        _wait_for(address, service)
        with (
            nullcontext() if has_systemd else _health_checks(address),
            nullcontext() if os.geteuid() else steady_bridges(),
        ):
            yield Engine("podman", environment, building)
    finally:
        service.terminate()
        service.wait(timeout=20)


def _settings(has_systemd: bool, extra: str = "") -> str:
    """Limits within those of this machine; without systemd, the plain runtime that asks least of the kernel."""
    import resource

    files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1_048_576)
    engine = "" if has_systemd else 'runtime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    return (
        f'[containers]\ndefault_ulimits = ["nofile={files}:{files}", "nproc=32768:32768"]\n{extra}'
        f'[network]\nnetwork_backend = "netavark"\n'
        f"[engine]\ncompat_api_enforce_docker_hub = false\nexit_command_delay = 10\n{engine}"
    )


def _storage(folder: Path, run_folder: Path) -> str:
    return f'[storage]\ndriver = "overlay"\ngraphroot = "{folder / "store"}"\nrunroot = "{run_folder / "store"}"\n'


def _certificates() -> str:
    """Builds trust whom this machine trusts, whatever they stand on."""
    bundle = own_authorities()
    return f'volumes = ["{bundle}:{AUTHORITIES}:ro"]\nenv = ["PIP_CERT={AUTHORITIES}"]\n' if bundle else ""


def own_authorities() -> str | None:
    """The file of those whom this machine trusts, where somebody has given it authorities of its own."""
    return os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")


def _written(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


def _wait_for(address: Path, service: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + 30
    while not address.exists():
        if service.poll() is not None or time.monotonic() > give_up:
            raise NoEngine("Podman does not serve its API")
        time.sleep(0.05)


@contextmanager
def _health_checks(address: Path) -> Iterator[None]:
    """Podman leaves the rhythm of health checks to systemd; without it, somebody has to ask."""
    ended = threading.Event()

    def ask_all() -> None:
        while not ended.wait(0.5):
            for container in _answer(address, "/v4.0.0/libpod/containers/json") or []:
                if ended.is_set():
                    return
                _answer(address, f"/v4.0.0/libpod/containers/{container['Id']}/healthcheck")

    asking = threading.Thread(target=ask_all, name="health checks")
    asking.start()
    try:
        yield
    finally:
        ended.set()
        asking.join()


def _answer(address: Path, path: str) -> Any:
    """The JSON at `path` of the API; None when there is no good answer."""
    connection = _UnixConnection(address)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        return json.loads(body) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, address: Path) -> None:
        super().__init__("engine", timeout=30)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._address))


def image_sizes(engine: Engine, images: Sequence[str]) -> dict[str, float]:
    """Megabytes of each image, with the layers that it shares."""
    return {image: engine.inspect(image)["Size"] / 1_000_000 for image in images}
