"""Requests read by the letter of RFC 9112: a judge of what others sent, or of what they made of what was sent.

Shares nothing with `atoll.http1`, on purpose: not the parser, not a constant. Where the RFC leaves a reader the
choice to be lenient, this one never is; nothing is repaired, and nothing passes unseen.
"""

import re
from collections.abc import Generator
from dataclasses import dataclass, replace

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_LINE = re.compile(rb"(?P<method>%b) (?P<target>[\x21-\x7e]+) HTTP/(?P<version>1\.[01])" % _TOKEN)
_FIELD = re.compile(rb"(?P<name>%b):(?P<value>[\t\x20-\x7e\x80-\xff]*)" % _TOKEN)
_CANONICAL_FIELD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+: (?:[\x21-\x7e\x80-\xff](?:.*[\x21-\x7e\x80-\xff])?)?")
_CHUNK = re.compile(rb"(?P<size>[0-9A-Fa-f]{1,16})(?:;[\t\x20-\x7e\x80-\xff]*)?")
_CANONICAL_CHUNK = re.compile(rb"0|[1-9a-f][0-9a-f]*")
_HOP_BY_HOP = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade", b"expect"))


class NotStrict(ValueError):
    """The bytes are no request by the letter; the message is the rule that they break."""


@dataclass(frozen=True)
class StrictRequest:
    """One request as it came: fields in their order, names as written, white space around values taken off.

    `raw` is every byte of it. `body` has its transfer coding taken off.
    """

    raw: bytes
    method: bytes
    target: bytes
    version: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        """The values of the fields called `name` (in lower case), in their order."""
        return [value for each, value in self.fields if each.lower() == name]

    def value(self, name: bytes) -> bytes:
        """The value of a field that came once; empty for one that did not come."""
        values = self.values(name)
        if len(values) > 1:
            raise NotStrict(f"there is more than one {name.decode('latin-1')}")
        return values[0] if values else b""


class StrictReader:
    """Takes a connection's bytes, and gives the requests that have come whole.

    `canonical` asks for more than the grammar: the one form in which a gateway should write. Names are in lower
    case, one space follows the colon and none the value, chunks have no extensions, bodies no trailers; no
    field comes twice, and none that concerns a single connection.
    """

    def __init__(self, *, canonical: bool = False) -> None:
        self._canonical = canonical
        self._bytes = bytearray()
        self._position = 0
        self._reading = self._requests()
        self._whole: list[StrictRequest] = []
        self.fault: NotStrict | None = None
        """The first rule that was broken; `unfinished` are the bytes in which it was."""
        next(self._reading)

    @property
    def unfinished(self) -> bytes:
        """The bytes of a request that has begun and is not whole."""
        return bytes(self._bytes)

    def feed(self, data: bytes) -> list[StrictRequest]:
        """Take more bytes; give the requests that are whole with them. After a fault there are no more."""
        self._bytes += data
        if self.fault is None:
            try:
                next(self._reading)
            except NotStrict as fault:
                self.fault = fault
        whole, self._whole = self._whole, []
        return whole

    def _requests(self) -> Generator[None, None, None]:
        while True:
            while not self._bytes:
                yield
            request = yield from self._request()
            self._whole.append(request)
            del self._bytes[: self._position]
            self._position = 0

    def _request(self) -> Generator[None, None, StrictRequest]:
        line = yield from self._line()
        while not line and not self._canonical:  # RFC 9112, section 2.2
            line = yield from self._line()
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise NotStrict(f"no request line: {line[:80]!r}")
        fields = yield from self._fields()
        head = StrictRequest(b"", parts["method"], parts["target"], parts["version"], tuple(fields), b"")
        self._check_head(head)
        body = yield from self._body(head)
        return replace(head, raw=bytes(self._bytes[: self._position]), body=body)

    def _fields(self) -> Generator[None, None, list[tuple[bytes, bytes]]]:
        fields = []
        while line := (yield from self._line()):
            parts = _FIELD.fullmatch(line)
            if parts is None or (self._canonical and not _CANONICAL_FIELD.fullmatch(line)):
                raise NotStrict(f"no field: {line[:80]!r}")
            fields.append((parts["name"], parts["value"].strip(b" \t")))
        return fields

    def _check_head(self, request: StrictRequest) -> None:
        if not request.value(b"host") and (request.version == b"1.1" or request.values(b"host")):
            raise NotStrict("no host")
        if not self._canonical:
            return
        names = [name for name, _ in request.fields]
        repeated = {name for name in names if names.count(name) > 1}
        if repeated or _HOP_BY_HOP & set(names):
            raise NotStrict(f"fields that should not be there: {sorted(repeated | _HOP_BY_HOP & set(names))}")
        if request.version != b"1.1" or not request.target.startswith(b"/"):
            raise NotStrict("not a path in HTTP/1.1")

    def _body(self, request: StrictRequest) -> Generator[None, None, bytes]:
        length, coding = request.value(b"content-length"), request.value(b"transfer-encoding")
        if not request.values(b"transfer-encoding"):
            if request.values(b"content-length") and not re.fullmatch(rb"[0-9]{1,18}", length):
                raise NotStrict(f"no length: {length[:40]!r}")
            return (yield from self._exactly(int(length or b"0")))
        if request.values(b"content-length") or request.version == b"1.0" or coding.lower() != b"chunked":
            raise NotStrict("a body whose end is open to doubt")
        return (yield from self._chunks())

    def _chunks(self) -> Generator[None, None, bytes]:
        body = bytearray()
        while True:
            line = yield from self._line()
            parts = _CHUNK.fullmatch(line)
            if parts is None or (self._canonical and not _CANONICAL_CHUNK.fullmatch(line)):
                raise NotStrict(f"no size of a chunk: {line[:40]!r}")
            size = int(parts["size"], 16)
            if not size:
                break
            body += yield from self._exactly(size)
            if (yield from self._exactly(2)) != b"\r\n":
                raise NotStrict("a chunk that does not end where it said")
        if (yield from self._fields()) and self._canonical:
            raise NotStrict("a body with trailers")
        return bytes(body)

    def _line(self) -> Generator[None, None, bytes]:
        """The next line without its end, once that has come."""
        while (end := self._bytes.find(b"\n", self._position)) < 0:
            yield
        line = bytes(self._bytes[self._position : end + 1])
        self._position = end + 1
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise NotStrict(f"a line that does not end in CR LF alone: {line[:80]!r}")
        return line[:-2]

    def _exactly(self, size: int) -> Generator[None, None, bytes]:
        end = self._position + size
        while len(self._bytes) < end:
            yield
        data = bytes(self._bytes[self._position : end])
        self._position = end
        return data


def strict_requests(data: bytes) -> tuple[list[StrictRequest], NotStrict | None]:
    """The requests that `data` begins with, and the fault at which reading stopped, if one did."""
    reader = StrictReader()
    return reader.feed(data), reader.fault
