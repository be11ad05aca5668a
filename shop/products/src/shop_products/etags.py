"""A product's version as an `ETag`, and what conditional requests ask of it (RFC 9110, sections 8.8.3 and 13.1).

It does not move with stock, so that a sale never stands in the way of whoever edits a product (`If-Match`). Then it
alone cannot say that a copy is still right (`If-None-Match`): that also takes stock that has not moved since.
"""

import re

from atoll.entity_tags import entity_tags
from atoll.problems import PreconditionFailed
from shop_contracts.products import Product

_VERSION = re.compile(r'"([1-9][0-9]{0,17})"', re.ASCII)


def etag(product: Product) -> str:
    """`"3"` for version 3."""
    return f'"{product.version}"'


def wanted_versions(if_match: str | None) -> frozenset[int] | None:
    """The versions of which the product must have one; None when any will do.

    Raises `PreconditionFailed` when no product can have any of them: a weak tag never matches, nor does what is no tag.
    """
    if if_match is None:
        return None
    tags = entity_tags(if_match)
    if tags.any:
        return None
    versions = frozenset(int(found[1]) for tag in tags.strong if (found := _VERSION.fullmatch(tag)))
    if not versions:
        raise PreconditionFailed(f'If-Match is not the ETag of a product, such as "3": {if_match}')
    return versions


def has_copy(if_none_match: str, product: Product, *, stock_moved: bool) -> bool:
    """Whether the client has the product as it is now; `*` means that it wants none at all if there is one."""
    tags = entity_tags(if_none_match)
    return tags.any or (tags.match_weakly(etag(product)) and not stock_moved)
