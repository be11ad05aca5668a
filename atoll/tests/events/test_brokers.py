"""Every broker keeps the promises of the port."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from atoll.events.broker import Broker
from atoll.events.memory import MemoryBroker
from atoll.events.valkey import ValkeyBroker
from atoll.testing.broker_suite import BrokerServer, BrokerSuite, ServerBrokerSuite
from atoll.testing.valkey_server import ValkeyToBreak, valkey_server


class TestMemory(BrokerSuite):
    @pytest.fixture
    async def broker(self) -> AsyncIterator[Broker]:
        async with MemoryBroker() as broker:
            yield broker


class TestValkey(ServerBrokerSuite):
    @pytest.fixture
    async def server(self) -> AsyncIterator[BrokerServer]:
        async with valkey_server() as server:
            yield server

    @pytest.fixture
    async def broker(self, server: ValkeyToBreak) -> AsyncIterator[Broker]:
        async with ValkeyBroker(server.url) as broker:
            yield broker

    async def trimmed(self, broker: Any) -> None:
        await broker._trimming.trim(broker._keys.stream("a"))

    async def held(self, broker: Any, topic: str) -> list[str]:
        entries = await broker._server.run("XRANGE", broker._keys.stream(topic), "-", "+")
        return [fields[1].decode() for _, fields in entries]
