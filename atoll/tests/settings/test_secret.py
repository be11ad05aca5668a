"""A secret is used, and never shown."""

import copy
import pickle
import traceback

import msgspec
import orjson
import pytest

from atoll.settings import Secret

TEXT = "hunter2-hunter2"


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        "{}".format,
        "{!r}".format,
        "{:>20}".format,
        lambda secret: f"{secret}",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - some still write so
        lambda secret: str([secret]),
        lambda secret: str({"key": secret}),
        lambda secret: orjson.dumps(secret, default=repr).decode(),
    ],
)
def test_it_is_not_shown(show: object) -> None:
    assert callable(show)
    assert TEXT not in show(Secret(TEXT))
    assert "***" in show(Secret(TEXT))


def test_it_can_be_revealed() -> None:
    assert TEXT == Secret(TEXT).reveal()


def test_it_is_not_in_a_traceback() -> None:
    error = ValueError(Secret(TEXT))

    assert TEXT not in "".join(traceback.format_exception(error))


def test_it_is_not_written_down() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret(TEXT))
    with pytest.raises(TypeError):
        msgspec.json.encode(Secret(TEXT))
    with pytest.raises(TypeError):
        copy.copy(Secret(TEXT))


def test_its_attributes_do_not_hang_about() -> None:
    with pytest.raises(TypeError):
        vars(Secret(TEXT))


def test_equal_ones_are_equal() -> None:
    assert Secret(TEXT) == Secret(TEXT)
    assert Secret(TEXT) != Secret("other")
    assert Secret(TEXT) != TEXT
    assert hash(Secret(TEXT)) == hash(Secret(TEXT))


def test_an_empty_one_is_falsy() -> None:
    assert (False, True) == (bool(Secret("")), bool(Secret(TEXT)))
