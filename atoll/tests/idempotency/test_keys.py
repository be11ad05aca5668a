"""What is an Idempotency-Key, and what is none."""

import pytest

from atoll.idempotency import parse_key
from atoll.problems import InvalidFields


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("abc", "abc"),
        ('"abc"', "abc"),
        ("  abc\t", "abc"),
        ('"with a space"', "with a space"),
        (r'"a \"quoted\" word and a \\"', r'a "quoted" word and a \ '.strip()),
        ("8e03978e-40d5-43e8-bc93-6894a57f9324", "8e03978e-40d5-43e8-bc93-6894a57f9324"),
        ("x" * 255, "x" * 255),
    ],
)
def test_a_key_is_read_quoted_or_bare(header: str, key: str) -> None:
    assert key == parse_key(header)


@pytest.mark.parametrize(
    "header", ["", " ", '""', '"', '"a', 'a"', 'a"b', "two words", "x" * 256, '"a"b"', "\xe9", '"\x7f"']
)
def test_what_is_no_key_is_refused_with_a_sentence(header: str) -> None:
    with pytest.raises(InvalidFields) as refusal:
        parse_key(header)

    assert ["Idempotency-Key"] == [mistake.pointer for mistake in refusal.value.errors]
