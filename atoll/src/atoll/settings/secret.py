"""A value that is used, and never shown."""

import hmac
from typing import Never


class Secret:
    """Holds a secret text. It prints as `Secret(***)` wherever it turns up; only `reveal()` gives the text.

    Empty is falsy. Comparing takes the same time wherever the difference is.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself: for the one place that needs it, never for a log or a message."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> Never:
        raise TypeError("A secret is not pickled: that would write it down.")
