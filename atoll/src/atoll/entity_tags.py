"""Entity tags as requests name them in `If-Match` and `If-None-Match` (RFC 9110, sections 8.8.3 and 13.1)."""

import re
from typing import NamedTuple

_TAG = re.compile(r'(?P<weak>W/)?(?P<opaque>"[\x21\x23-\x7e\x80-\xff]*")')
_SEPARATOR = re.compile(r"[ \t]*(?:,[ \t]*)+")


class EntityTags(NamedTuple):
    """What a field names: any tag at all (`*`), or some, each with its quotes."""

    any: bool
    strong: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()

    def match_strongly(self, tag: str) -> bool:
        """For `If-Match`: whether the strong tag `tag` is meant; a weak one never is."""
        return self.any or tag in self.strong

    def match_weakly(self, tag: str) -> bool:
        """For `If-None-Match`: whether `tag` is meant, weak or not."""
        return self.any or tag in self.strong or tag in self.weak


NO_TAGS = EntityTags(any=False)


def entity_tags(field: str) -> EntityTags:
    """What the field says; `NO_TAGS`, which match nothing, when it is neither `*` nor a list of tags."""
    text = field.strip(" \t")
    if text == "*":
        return EntityTags(any=True)
    tags = _tags_in(text.strip(", \t"))
    strong = frozenset(tag["opaque"] for tag in tags if not tag["weak"])
    return EntityTags(False, strong, frozenset(tag["opaque"] for tag in tags if tag["weak"]))


def _tags_in(text: str) -> list[re.Match[str]]:
    """Every tag of the list; none when anything else stands there."""
    tags: list[re.Match[str]] = []
    position = 0
    while (tag := _TAG.match(text, position)) is not None:
        tags.append(tag)
        if tag.end() == len(text):
            return tags
        separator = _SEPARATOR.match(text, tag.end())
        if separator is None:
            break
        position = separator.end()
    return []
