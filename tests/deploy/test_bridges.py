"""Bridges of Podman's networks, in a network of the kernel's own that nobody else sees."""

import shutil
import subprocess
import sys
import textwrap

import pytest
from deploy.check import DEPLOY

APART = ["unshare", "--net", "--mount"]


def _can_be_apart() -> bool:
    """Whether we may have a network of our own, with links in it: takes root."""
    tools = all(map(shutil.which, ("unshare", "mount", "ip")))
    return tools and subprocess.run([*APART, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _can_be_apart(), reason="takes root, unshare and ip")
@pytest.mark.parametrize(
    ("held", "expected"),
    [("steady_bridges", "0e:00:00:00:00:05"), ("nullcontext", "0e:00:00:00:00:01")],
    ids=["held", "left to the kernel"],
)
def test_a_bridge_takes_a_lower_address_unless_it_is_held(held: str, expected: str) -> None:
    told = _apart(f"""
        import subprocess
        from contextlib import nullcontext
        from pathlib import Path
        from tests.deploy.containers.bridges import IS_SET, steady_bridges

        def ip(command):
            subprocess.run(["ip", "link", *command.split()], check=True)

        bridge = Path("/sys/class/net/podman7")
        with {held}():
            ip("add podman7 type bridge")
            ip("add first address 0e:00:00:00:00:05 type veth peer name of_first")
            ip("set first master podman7")
            while "{held}" == "steady_bridges" and (bridge / "addr_assign_type").read_text().strip() != IS_SET:
                pass
            ip("add lower address 0e:00:00:00:00:01 type veth peer name of_lower")
            ip("set lower master podman7")
            print((bridge / "address").read_text().strip())
    """)

    assert expected == told


def _apart(program: str) -> str:
    """What a program of Python writes that has a network, and so a `/sys`, of its own."""
    command = [*APART, "sh", "-c", 'mount -t sysfs none /sys && exec "$@"', "sh", sys.executable, "-c"]
    ended = subprocess.run(
        [*command, textwrap.dedent(program)], cwd=DEPLOY.parent, capture_output=True, text=True, timeout=20, check=False
    )
    assert "" == ended.stderr
    return ended.stdout.strip()
