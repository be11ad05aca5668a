import pytest

from atoll.discovery.configured import directory_for
from atoll.settings import ServiceSettings, service_address
from atoll.testing.clock import ManualClock
from atoll.testing.eventually import eventually
from atoll.testing.registries import RegistryUnderTest


class SomeSettings(ServiceSettings, frozen=True, kw_only=True):
    users_url: str | None = None
    stock_keeping_url: str | None = None


async def test_a_fixed_address_wins_over_the_registry(
    registry: RegistryUnderTest, instance: str, clock: ManualClock
) -> None:
    settings = SomeSettings(registry_url=registry.url, users_url="http://127.0.0.1:9")
    async with registry.registration("users", instance) as registration:
        await eventually(lambda: registration.instance_id)
        async with directory_for(settings, "users", "orders", clock=clock) as directory:
            assert [one.url for one in directory.instances("users")] == ["http://127.0.0.1:9"]


async def test_without_a_fixed_address_the_registry_is_asked(
    registry: RegistryUnderTest, instance: str, clock: ManualClock
) -> None:
    settings = SomeSettings(registry_url=registry.url)
    async with registry.registration("users", instance), directory_for(settings, "users", clock=clock) as directory:
        await eventually(lambda: directory.instances("users"))

        assert [one.url for one in directory.instances("users")] == [instance]


async def test_fixed_addresses_need_no_registry() -> None:
    settings = SomeSettings(users_url="http://127.0.0.1:9", stock_keeping_url="http://127.0.0.1:8")
    async with directory_for(settings, "users", "stock-keeping", "orders") as directory:
        found = [len(directory.instances(name)) for name in ("users", "stock-keeping", "orders")]

    assert found == [1, 1, 0]


async def test_a_fixed_address_that_is_none_is_told_in_words() -> None:
    with pytest.raises(ValueError, match="is not the address of a service"):
        directory_for(SomeSettings(users_url="ftp://users"), "users")


async def test_several_addresses_are_joined_by_commas() -> None:
    settings = SomeSettings(users_url="http://127.0.0.1:9, http://127.0.0.1:8")
    async with directory_for(settings, "users") as directory:
        assert [one.url for one in directory.instances("users")] == ["http://127.0.0.1:9", "http://127.0.0.1:8"]


async def test_a_name_is_resolved_whatever_the_registry_says(registry: RegistryUnderTest, clock: ManualClock) -> None:
    settings = SomeSettings(registry_url=registry.url, users_url="dns://127.0.0.1:9")
    async with directory_for(settings, "users", clock=clock) as directory:
        assert [one.url for one in directory.instances("users")] == ["http://127.0.0.1:9"]


@pytest.mark.parametrize(
    "address", ["http://a:1", "http://a", "http://a:1,http://b:2", "dns://a:1", "dns://a.b.c:3003"]
)
def test_addresses_that_are_understood(address: str) -> None:
    service_address(address)


@pytest.mark.parametrize(
    "address",
    ["a:1", "https://a", "dns://a", "dns://:1", "dns://a:1/x", "dns://a:b", "http://a:1,", "dns://a:1,http://b"],
)
def test_addresses_that_are_none_are_told_in_words(address: str) -> None:
    with pytest.raises(ValueError, match="write http://host:port, several joined by commas, or dns://host:port"):
        service_address(address)
