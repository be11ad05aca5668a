"""A product's version as an `ETag`, and what `If-Match` asks of it (RFC 9110, sections 8.8.3 and 13.1.1)."""

import re

from atoll.problems import PreconditionFailed
from shop_contracts.products import Product

_VERSION = re.compile(r'"([1-9][0-9]{0,17})"', re.ASCII)


def etag(product: Product) -> str:
    """`"3"` for version 3; it does not move with stock."""
    return f'"{product.version}"'


def wanted_version(if_match: str | None) -> int | None:
    """The version that the product must have; None when any will do.

    Raises `PreconditionFailed` for what no product has as its ETag, a list of several included: nobody knows two
    versions at once.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    version = _VERSION.fullmatch(if_match.strip())
    if version is None:
        raise PreconditionFailed(f'If-Match is not the ETag of a product, such as "3": {if_match}')
    return int(version[1])
