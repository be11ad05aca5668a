"""What If-Match and If-None-Match name, and which tags that is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.entity_tags import NO_TAGS, EntityTags, entity_tags


@pytest.mark.parametrize(
    ("field", "strong", "weak"),
    [
        ('"3"', {'"3"'}, set()),
        ('W/"3"', set(), {'"3"'}),
        ('"1", "2" ,W/"3"', {'"1"', '"2"'}, {'"3"'}),
        ('"1","2"', {'"1"', '"2"'}, set()),
        (', "1",, "2" ,', {'"1"', '"2"'}, set()),
        ('  "1"\t', {'"1"'}, set()),
        ('"a,b", "c"', {'"a,b"', '"c"'}, set()),
        ('""', {'""'}, set()),
        ('"W/"', {'"W/"'}, set()),
        ('"\xe9"', {'"\xe9"'}, set()),
    ],
)
def test_tags_are_read_from_lists(field: str, strong: set[str], weak: set[str]) -> None:
    assert EntityTags(False, frozenset(strong), frozenset(weak)) == entity_tags(field)


@pytest.mark.parametrize(
    "field", ["", ",", "3", '"3', '3"', '"1" "2"', '"1", 2', 'w/"1"', 'W / "1"', '*, "1"', '"1", *', '"a b"', '"\x7f"']
)
def test_what_is_no_list_of_tags_matches_nothing(field: str) -> None:
    tags = entity_tags(field)

    assert NO_TAGS == tags
    assert not tags.match_weakly('"1"')


@pytest.mark.parametrize("field", ["*", " * "])
def test_a_star_matches_every_tag(field: str) -> None:
    tags = entity_tags(field)

    assert tags.match_strongly('"1"')
    assert tags.match_weakly('"1"')


def test_a_weak_tag_is_good_enough_to_save_an_answer_and_not_to_guard_a_change() -> None:
    tags = entity_tags('W/"1", "2"')

    assert (False, True) == (tags.match_strongly('"1"'), tags.match_weakly('"1"'))
    assert (True, True) == (tags.match_strongly('"2"'), tags.match_weakly('"2"'))
    assert (False, False) == (tags.match_strongly('"3"'), tags.match_weakly('"3"'))


@given(st.text(st.sampled_from('"W/, *1\t'), max_size=200))
def test_anything_can_be_sent(field: str) -> None:
    tags = entity_tags(field)

    assert not (tags.any and (tags.strong or tags.weak))
