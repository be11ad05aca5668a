import pytest

from atoll.runner.quantities import duration, size


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "-"), (0.9, "0s"), (59, "59s"), (75.3, "1m 15s"), (3600, "1h 0m"), (90061, "1d 1h")],
)
def test_a_duration_has_its_two_greatest_units(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_sizes_are_whole_mebibytes() -> None:
    assert (size(None), size(36 * 1024 * 1024 + 5)) == ("-", "36 MB")
