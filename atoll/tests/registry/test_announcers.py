"""An instance announces where it is, and nothing else."""

from collections.abc import Sequence

import pytest

from atoll.calls import ServiceClient, UpstreamProblem
from atoll.discovery.resolving import CannotResolve
from atoll.registry.announcers import Announcers, ForeignAddress, networks

NAMES = {"orders-1": ["10.0.0.7"], "half-here": ["10.0.0.7", "192.168.0.1"], "localhost": ["::1", "127.0.0.1"]}


async def look_up(host: str) -> Sequence[str]:
    try:
        return NAMES[host]
    except KeyError:
        raise CannotResolve(f"{host} has no address") from None


ANNOUNCERS = Announcers(["172.16.0.0/12", "fd00::/8"], resolve=look_up)


@pytest.mark.parametrize(
    ("host", "caller"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("10.0.0.7", "::ffff:10.0.0.7"),
        ("fe80::1", "fe80::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "::1"),
        ("localhost", "127.0.0.1"),
        ("orders-1", "10.0.0.7"),
        ("172.17.0.3", "10.0.0.7"),
        ("fd00::3", "10.0.0.7"),
        ("172.17.0.3", ""),
    ],
)
async def test_its_own_address_and_those_of_the_system_may_be_announced(host: str, caller: str) -> None:
    await ANNOUNCERS.check(host, caller)


@pytest.mark.parametrize(
    ("host", "caller"),
    [
        ("10.0.0.8", "10.0.0.7"),
        ("169.254.169.254", "10.0.0.7"),
        ("127.0.0.1", "10.0.0.7"),
        ("10.0.0.7", "127.0.0.1"),
        ("half-here", "10.0.0.7"),
        ("orders-1", "10.0.0.8"),
        ("nobody", "10.0.0.7"),
        ("10.0.0.7", ""),
        ("::ffff:10.0.0.8", "10.0.0.7"),
    ],
)
async def test_no_other_address_may_be_announced(host: str, caller: str) -> None:
    with pytest.raises(ForeignAddress):
        await ANNOUNCERS.check(host, caller)


async def test_the_refusal_says_what_to_do() -> None:
    with pytest.raises(ForeignAddress, match=r"You speak from 10\.0\.0\.7 and announce 10\.0\.0\.8\.") as caught:
        await ANNOUNCERS.check("10.0.0.8", "10.0.0.7")

    assert "ADVERTISE_HOST" in str(caught.value)
    assert "REGISTRY_NETWORKS" in str(caught.value)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "everywhere", "10.0.0.0/33"])
def test_a_network_that_is_none_is_told_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="is no network; write"):
        networks([text])


async def test_the_registry_answers_403_and_asks_nobody_there(registry: ServiceClient) -> None:
    with pytest.raises(UpstreamProblem) as caught:
        await registry.post("/register", {"name": "users", "host": "192.0.2.1", "port": 80})

    assert (caught.value.status, caught.value.details.type.rpartition("/")[2]) == (403, "foreign-address")
