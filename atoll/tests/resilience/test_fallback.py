"""Something better than an error."""

import pytest

from atoll.resilience import CallNotPermittedError, fallback


async def last_known(error: Exception) -> list[str]:
    return ["lamp"]


@fallback(last_known)
async def names(fails_with: Exception | None = None) -> list[str]:
    if fails_with:
        raise fails_with
    return ["lamp", "chair"]


async def test_the_real_thing_is_not_degraded() -> None:
    outcome = await names()

    assert (outcome.value, outcome.degraded) == (["lamp", "chair"], False)


async def test_what_stands_in_says_so() -> None:
    error = CallNotPermittedError("open")

    outcome = await names(error)

    assert (outcome.value, outcome.degraded) == (["lamp"], True)
    assert outcome.error is error


async def test_other_errors_stay_errors() -> None:
    with pytest.raises(KeyError):
        await names(KeyError("missing"))


async def test_what_stands_in_may_be_made_without_waiting() -> None:
    @fallback(lambda _: 0, on=ZeroDivisionError)
    async def share(parts: int) -> int:
        return 12 // parts

    assert ((await share(3)).value, (await share(0)).value) == (4, 0)
