"""Everything here runs on asyncio's own event loop and on uvloop."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest
import uvloop

from atoll import context
from atoll.context import RequestContext
from atoll.observability.tracing import TraceContext


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@contextmanager
def _working_for(*, deadline: float | None = None, caller_retries: bool = False) -> Iterator[None]:
    """Within, calls are made on behalf of a request."""
    request = RequestContext(TraceContext.fresh(), "r", deadline=deadline, caller_retries=caller_retries)
    token = context.current.set(request)
    try:
        yield
    finally:
        context.current.reset(token)


@pytest.fixture
def working_for() -> Callable[..., object]:
    return _working_for
