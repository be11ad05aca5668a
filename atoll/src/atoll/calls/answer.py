"""What another service answered."""

from collections.abc import Iterator, Mapping

from atoll.http1.messages import Fields


class Headers(Mapping[str, str]):
    """The fields of an answer by name, without regard to case; one that came repeatedly is joined by `, `."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Fields) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        wanted = name.lower().encode("latin-1")
        values = [value.strip(b" \t") for candidate, value in self._fields if candidate.lower() == wanted]
        if not values:
            raise KeyError(name)
        return b", ".join(values).decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.decode("latin-1").lower() for name, _ in self._fields))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"Headers({dict(self)!r})"


class Response:
    """A whole answer with a status of 2xx. `body` is as it came; `instance` is the id of who gave it."""

    __slots__ = ("_fields", "body", "instance", "status")

    def __init__(self, status: int, fields: Fields, body: bytes, instance: str) -> None:
        self.status = status
        self.body = body
        self.instance = instance
        self._fields = fields

    def __repr__(self) -> str:
        return f"<Response {self.status} from {self.instance}, {len(self.body)} bytes>"

    @property
    def headers(self) -> Headers:
        return Headers(self._fields)
