"""`make containers`: the shop in real containers, with people who order, kills, and a judge.

Says "skipped", with what is missing, where no engine can run. Ends within twenty minutes, whatever happens.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Never

from tests.deploy.containers.commands import CommandFailed, run
from tests.deploy.containers.engines import Engine, NoEngine, image_sizes, running_engine
from tests.deploy.containers.shop import ROOT, SERVICES, Shop, build_images, project, states, tags_of
from tests.deploy.containers.stand_ins import OFFICIAL, base_images

LONGEST = 20 * 60
"""Seconds for everything."""

MOST_SECONDS_OF_LOAD = 300
VERSION = "trial"
NEXT_VERSION = "trial-next"

CATALOGUE = ROOT / "shop" / "sample" / "catalogue.csv"
PUBLISHED = {"gateway", "prometheus"}
INSTANCES = {"gateway": 1, "registry": 1, "users": 1, "products": 1, "orders": 2}

PG_DUMP = ("pg_dump", "--username=postgres", "--format=custom")
PG_RESTORE = ("pg_restore", "--username=postgres", "--clean", "--if-exists", "--no-owner", "--single-transaction")


def main() -> int:
    """The exit code: 0 when all of it held, or when there is no engine to try it with."""
    signal.signal(signal.SIGALRM, _too_late)
    signal.alarm(LONGEST)
    folder = Path(os.environ.get("CONTAINERS_FOLDER", Path.home() / ".cache" / "atoll-containers"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with running_engine(folder) as engine, _images_forgotten(engine):
            _trial(engine, folder)
    except NoEngine as missing:
        print(f"Containers: skipped, because {missing}.")
        return 0
    except (CommandFailed, AssertionError, TimeoutError) as error:
        print(f"Containers: FAILED. {error}", file=sys.stderr)
        return 1
    print("Containers: all of it held.")
    return 0


def _trial(engine: Engine, folder: Path) -> None:
    with step(f"base images, with {engine.client}"):
        images = base_images(engine, folder)
    print("  " + ("the images' own bases" if images is OFFICIAL else "stand-ins made of Debian for the base images"))
    with step("images of the shop"):
        build_images(engine, images["BASE_IMAGE"], VERSION)
    _show_sizes(engine, [images["BASE_IMAGE"], *tags_of(VERSION)])
    with (
        tempfile.TemporaryDirectory() as scratch,
        project(engine, Path(scratch), images, VERSION) as shop,
    ):
        with step("the shop is up"):
            shop.up()
        _is_contained(shop)
        _databases_are_apart(shop)
        with step("Prometheus sees every instance"):
            _is_watched(shop)
        with step("the sample catalogue is imported"):
            _import_catalogue(shop)
        history = shop.folder / "history"
        with step("orders through the published port, while containers die"), _people(shop, history) as people:
            _disturb(shop)
            people.send_signal(signal.SIGTERM)  # what is under way is finished
            assert 0 == people.wait(timeout=60), "clients were answered otherwise than promised"
        _show_consumption(shop)
        with step("verify"):
            print(_indented(_verdict(shop, history)))
        with step("backed up, lost with its volumes, restored"):
            _lose_and_restore(shop)
            print(_indented(_verdict(shop, history)))
        with step("everything stops as asked"):
            shop.compose("stop", seconds=120)
        _ended_well(shop)


@contextmanager
def _images_forgotten(engine: Engine) -> Iterator[None]:
    """At the end, none of our images is left."""
    try:
        yield
    finally:
        engine.forget([*tags_of(NEXT_VERSION), *tags_of(VERSION)])


def _import_catalogue(shop: Shop) -> None:
    administrator = ("--email", "admin@shop.example", "--password", shop.secret("admin_password"))
    run([sys.executable, "-m", "shop_importer", str(CATALOGUE), "--url", shop.url, *administrator])


def _disturb(shop: Shop) -> None:
    """What goes on while people order; each change is over before the next one begins."""
    for service in ("orders", "products", "gateway", "users", "registry", "valkey", "postgres"):
        with step(f"  {service} killed, and back by itself"):
            shop.crash(shop.containers(service)[0])
    with step("  orders scaled to three, then back to two"):
        shop.up("--no-recreate", "--scale", "orders=3")
        assert 3 == len(shop.containers("orders"))
        shop.up("--no-recreate")
        assert 2 == len(shop.containers("orders"))
    with step("  orders upgraded, instance by instance"):
        _tag_next_version(shop.engine)
        shop.upgrade("orders", NEXT_VERSION)
        images = {shop.engine.inspect(one)["Config"]["Image"] for one in shop.containers("orders")}
        assert 2 == len(shop.containers("orders"))
        assert all(NEXT_VERSION in image for image in images), images


def _tag_next_version(engine: Engine) -> None:
    """The same programs by another name: what is tried is the way from one to the other."""
    for tag, next_tag in zip(tags_of(VERSION), tags_of(NEXT_VERSION), strict=True):
        engine("tag", tag, next_tag)


@contextmanager
def _people(shop: Shop, history: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Six buyers, so that they stay below the limits of production, which hold here."""
    command = [sys.executable, "-m", "shop_proof.load", "--url", shop.url, "--history", str(history)]
    command += ["--for", str(MOST_SECONDS_OF_LOAD), "--buyers", "6", "--rate", "30"]
    environment = {"ADMIN_EMAIL": "admin@shop.example", "ADMIN_PASSWORD": shop.secret("admin_password")}
    people = subprocess.Popen(command, env={**os.environ, **environment})
    try:
        yield people
    finally:
        people.kill()
        people.wait()


def _verdict(shop: Shop, history: Path) -> str:
    """What the judge says; an exit code that is not 0 is a failure, and its words come with it."""
    history.chmod(0o444)
    name = f"{shop.environment['COMPOSE_PROJECT_NAME']}-verdict"
    mounts = ("--volume", f"{history}:/history:ro")
    shop.compose("run", "--name", name, *mounts, "verify", "--running", "--history", "/history", seconds=90)
    said, code = shop.engine("logs", name), shop.engine.inspect(name)["State"]["ExitCode"]
    shop.engine("rm", name)
    assert 0 == code, f"verify ended with {code}:\n{said}"
    return said


def _is_contained(shop: Shop) -> None:
    """What compose.yaml says of every container is what the engine does."""
    for name, state in states(shop).items():
        host = state["HostConfig"]
        assert host["ReadonlyRootfs"], f"{name} can write to its root"
        assert "root" != (state["Config"]["User"] or "root"), f"{name} runs as root"
        published = [port for port in (host.get("PortBindings") or {}).values() if port]
        assert not published or PUBLISHED & set(name.split("-")), f"{name} publishes {published}"
    for service in SERVICES:
        status = shop.in_container(service, "cat", "/proc/1/status")
        assert "CapEff:\t0000000000000000" in status, f"{service} has capabilities"
        assert "NoNewPrivs:\t1" in status, f"{service} could gain privileges"


def _databases_are_apart(shop: Shop) -> None:
    """A service's role opens its own database and no other."""
    for role, database, may in (("orders", "orders", True), ("orders", "users", False), ("users", "products", False)):
        password = shop.secret(f"{role}_database_password")
        address = f"postgresql://{role}:{password}@127.0.0.1/{database}"
        try:
            shop.in_container("postgres", "psql", "--quiet", "--command", "SELECT 1", address)
            opened = True
        except CommandFailed:
            opened = False
        assert may == opened, f"{role} {'cannot' if may else 'can'} open the database {database}"


def _is_watched(shop: Shop) -> None:
    """Within two rounds of questions; and the alerts are those of the repository."""
    give_up = time.monotonic() + 60
    while (up := _up(shop)) != INSTANCES:
        assert time.monotonic() < give_up, f"Prometheus sees {up}, not {INSTANCES}"
        time.sleep(1)
    groups = _prometheus(shop, "/api/v1/rules")["groups"]
    assert [] == [rule for group in groups for rule in group["rules"] if rule["health"] == "err"]


def _up(shop: Shop) -> dict[str, int]:
    """How many instances of each service answer."""
    vector = _prometheus(shop, "/api/v1/query?query=sum%20by%20(job)%20(up)")["result"]
    return {one["metric"]["job"]: int(one["value"][1]) for one in vector}


def _prometheus(shop: Shop, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{shop.watch_port}{path}", timeout=10) as answer:
        told: dict[str, Any] = json.load(answer)["data"]
        return told


def _lose_and_restore(shop: Shop) -> None:
    """As README.md has it: dumps of a running shop, in the order that loses least; the broker begins anew."""
    dumps = {name: shop.filter("postgres", *PG_DUMP, name) for name in ("orders", "products", "users")}
    shop.compose("down", "--volumes", seconds=120)
    shop.up("postgres")
    for name, dump in dumps.items():
        shop.filter("postgres", *PG_RESTORE, f"--role={name}", f"--dbname={name}", input=dump)
    shop.up()


def _ended_well(shop: Shop) -> None:
    codes = {name: state["State"]["ExitCode"] for name, state in states(shop).items()}
    assert not any(codes.values()), f"containers ended with {codes}"


def _show_sizes(engine: Engine, tags: list[str]) -> None:
    for tag, size in image_sizes(engine, tags).items():
        print(f"  {size:6.0f} MB  {tag}")


def _show_consumption(shop: Shop) -> None:
    """What each container has in memory after the load, by its control group, and each database on the disk."""
    lines = shop.engine("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", *states(shop)).splitlines()
    for line in sorted(lines):
        print(f"  {line.removeprefix(shop.environment['COMPOSE_PROJECT_NAME'] + '-')}")
    sizes = "SELECT datname, pg_size_pretty(pg_database_size(oid)) FROM pg_database WHERE NOT datistemplate"
    print(_indented(shop.in_container("postgres", "psql", "--username=postgres", "--csv", "--command", sizes)))


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is done, and how long it took."""
    began = time.monotonic()
    print(f"{what} ...", flush=True)
    yield
    print(f"{what}: {time.monotonic() - began:.1f} s", flush=True)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _too_late(*_: object) -> Never:
    raise TimeoutError(f"It took more than {LONGEST} s.")


if __name__ == "__main__":
    sys.exit(main())
