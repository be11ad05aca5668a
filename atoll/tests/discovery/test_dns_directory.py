"""Names are resolved again and again; what was known stays while nobody answers."""

import asyncio
from collections.abc import Sequence

import pytest

from atoll.discovery.dns_directory import INTERVAL, DnsDirectory
from atoll.discovery.resolving import CannotResolve, resolve
from atoll.testing.clock import ManualClock


class Resolver:
    """Answers as the test says; nothing is known at first."""

    def __init__(self, *addresses: str) -> None:
        self.addresses: Sequence[str] = addresses
        self.asked: list[str] = []

    async def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        if not self.addresses:
            raise CannotResolve(f"{host} has no address")
        return self.addresses


def urls(directory: DnsDirectory, service: str = "orders") -> list[str]:
    return [instance.url for instance in directory.instances(service)]


def following(resolver: Resolver, clock: ManualClock) -> DnsDirectory:
    return DnsDirectory({"orders": "dns://orders:3003"}, resolve=resolver, clock=clock)


async def test_each_address_of_a_name_is_an_instance() -> None:
    async with following(Resolver("10.0.0.2", "10.0.0.1"), ManualClock()) as directory:
        assert urls(directory) == ["http://10.0.0.1:3003", "http://10.0.0.2:3003"]
        assert [one.id for one in directory.instances("orders")] == urls(directory)
        assert directory.instances("users") == ()


async def test_addresses_come_and_go() -> None:
    resolver, clock = Resolver("10.0.0.1"), ManualClock()
    async with following(resolver, clock) as directory:
        resolver.addresses = ("10.0.0.2", "10.0.0.3")
        await clock.advance(INTERVAL * 1.2)

        assert urls(directory) == ["http://10.0.0.2:3003", "http://10.0.0.3:3003"]


async def test_the_list_is_the_same_object_until_it_changes() -> None:
    resolver, clock = Resolver("10.0.0.1", "10.0.0.2"), ManualClock()
    async with following(resolver, clock) as directory:
        before = directory.instances("orders")
        resolver.addresses = ("10.0.0.2", "10.0.0.1")
        await clock.advance(INTERVAL * 2)

        assert len(resolver.asked) >= 2
        assert directory.instances("orders") is before


async def test_the_last_list_stays_while_nobody_answers() -> None:
    resolver, clock = Resolver("10.0.0.1"), ManualClock()
    async with following(resolver, clock) as directory:
        resolver.addresses = ()
        await clock.advance(INTERVAL * 100)
        during = urls(directory)
        resolver.addresses = ("10.0.0.9",)
        await clock.advance(INTERVAL * 1.2)

        assert during == ["http://10.0.0.1:3003"]
        assert urls(directory) == ["http://10.0.0.9:3003"]


async def test_a_start_waits_a_second_at_most() -> None:
    clock = ManualClock()
    directory = following(Resolver(), clock)
    entering = asyncio.create_task(directory.__aenter__())
    await clock.wait_for_sleepers(2)
    await clock.advance(1.0)
    await entering

    assert urls(directory) == []
    await directory.__aexit__(None, None, None)


async def test_of_two_families_the_first_one_counts() -> None:
    resolver = Resolver("fd00::1", "10.0.0.1", "fd00::2")
    async with following(resolver, ManualClock()) as directory:
        assert urls(directory) == ["http://[fd00::1]:3003", "http://[fd00::2]:3003"]


async def test_every_name_is_asked_for_itself() -> None:
    resolver, clock = Resolver("10.0.0.1"), ManualClock()
    names = {"orders": "dns://orders:3003", "users": "dns://users:3001"}
    async with DnsDirectory(names, resolve=resolver, clock=clock) as directory:
        assert urls(directory, "users") == ["http://10.0.0.1:3001"]
        assert sorted(resolver.asked) == ["orders", "users"]


async def test_the_machines_own_resolver_knows_the_machine() -> None:
    assert set(await resolve("localhost")) & {"127.0.0.1", "::1"}


async def test_a_name_that_nobody_knows_is_told_in_words() -> None:
    with pytest.raises(CannotResolve, match=r"nobody\.invalid"):
        await resolve("nobody.invalid")


@pytest.mark.parametrize("url", ["dns://orders", "http://orders:1", "dns://:1", "dns://orders:1/x"])
def test_a_name_that_is_none_is_told_in_words(url: str) -> None:
    with pytest.raises(ValueError, match="write dns://host:port"):
        DnsDirectory({"orders": url})
