"""The head of a request, read strictly: what can be read in two ways is refused.

llhttp (by way of httptools 0.9, without its leniencies) splits the fields, and refuses bare CR and LF, folded
fields, white space before a colon, control bytes, two lengths, a length beside a transfer coding. What it
lets pass is refused here: a second space in the request line, other versions than 1.0 and 1.1, methods that have
no place here, a missing or second Host, any transfer coding but chunked, a coding in HTTP/1.0, expectations that
nobody knows, a target whose authority is not the Host.

A head is judged only when it is whole, so the verdict does not depend on how the bytes were cut on their way.
"""

import ipaddress
import re
from dataclasses import dataclass

import httptools

from atoll.problems import BadRequest, HeaderFieldsTooLarge, Problem, UriTooLong

END_OF_HEAD = b"\r\n\r\n"

_REQUEST_LINE = re.compile(rb"([A-Z][A-Z-]*) ([!\"$-~]+) HTTP/1\.([01])\r\n")
_BEGINNING_OF_LINE = re.compile(rb"([A-Z][A-Z-]*) (/[!\"$-~]*) HTTP/1\.")
_REST_OF_LINE = len(b"1\r\n")
_LINE_OF_OTHER_VERSION = re.compile(rb"[A-Z][A-Z-]* [!\"$-~]+ HTTP/[0-9]\.[0-9]\r\n")
_ABSOLUTE_FORM = re.compile(rb"(?i:http)://([^/?#@]+)(/[!\"$-~]*|\?[!\"$-~]*)?")
_HOST = re.compile(rb"(?:[0-9A-Za-z._~-]+|\[([0-9A-Fa-f:.]+)\])(?::([0-9]{1,5}))?")
_LAST_PORT = 65535
_LENGTH = re.compile(rb"[0-9]{1,18}")
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")

_SLASH = 0x2F
_METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"))
"""Those that change nothing in how the rest of a head is read, as CONNECT would, and have a meaning here."""

_ONCE_ONLY = frozenset((b"host", b"content-length", b"transfer-encoding"))

_LINES_REMEMBERED = 4096
_LONGEST_REMEMBERED = 256
"""Bytes of a line. Both are bounded, because anybody can ask for anything."""

_known_lines: dict[bytes, tuple[bytes, bytes]] = {}
"""Method and target by the line that they begin: most requests ask for what others have asked for."""

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"expect",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""Fields that speak of one connection and never travel further (RFC 9110, section 7.6.1), with their kin."""

_OURS = HOP_BY_HOP | _ONCE_ONLY


class NotImplementedHere(Problem):
    """The method is one that HTTP may know and this server does not.

    What to do: take one of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS.
    """

    status = 501


class VersionNotSupported(Problem):
    """The request is in a version of HTTP other than 1.1 and 1.0.

    What to do: speak HTTP/1.1; nothing before this server translates newer versions.
    """

    status = 505


class ExpectationFailed(Problem):
    """The request expects something that nobody here has heard of.

    What to do: leave the Expect field out, or write `100-continue`.
    """

    status = 417


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """What a request's head may have; `line` (the request line) and `head` (all of it) are in bytes."""

    line: int = 8 * 1024
    head: int = 16 * 1024
    fields: int = 100


class RequestFields(dict[bytes, bytes]):
    """The fields of a head by their names, in lower case; values have no white space around them.

    A field that came more than once is one field with all its values (RFC 9110, section 5.3), so that nobody reads
    the first of them and somebody else the last. `known` is for whoever works something out from the fields: heads of
    one connection mostly share theirs, and then what was worked out once serves for all of them.
    """

    __slots__ = ("known",)

    def __init__(self) -> None:
        super().__init__()
        self.known: object | None = None


class RequestHead:
    """A request's head, cleared of everything that concerns only the connection it came on.

    `method` is in capitals; `target` is a path with its query, or `*`. `content_length` is None for a chunked body,
    and 0 when there is no body at all; `fields` do not repeat it, nor the host.
    """

    __slots__ = (
        "chunked",
        "content_length",
        "expects_continue",
        "fields",
        "host",
        "keep_alive",
        "method",
        "minor_version",
        "target",
    )

    def __init__(self, method: bytes, target: bytes, minor_version: int, fields: RequestFields) -> None:
        self.method = method
        self.target = target
        self.minor_version = minor_version
        self.fields = fields
        self.host = b""
        self.content_length: int | None = 0
        self.chunked = False
        self.keep_alive = minor_version == 1
        self.expects_continue = False

    @property
    def has_body(self) -> bool:
        """Whether bytes follow the head."""
        return self.content_length != 0

    def __repr__(self) -> str:
        return f"<RequestHead {self.method.decode()} {self.target.decode()} HTTP/1.{self.minor_version}>"


class HeadReader:
    """Reads the heads of one connection's requests, one after the other.

    Most differ from the one before in their first line only; then the rest is not read again.
    """

    __slots__ = ("_fields", "_limits", "_ours", "_parser", "_previous", "_previous_rest", "_repeated")

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        self._parser = httptools.HttpRequestParser(self)
        self._fields = RequestFields()
        self._ours: dict[bytes, bytes] = {}
        self._repeated = b""
        self._previous: RequestHead | None = None
        self._previous_rest = b""

    def read_repeated(self, data: bytes) -> RequestHead | None:
        """The head that `data` is, if nothing follows it and it differs from the one before in its first line only."""
        previous, rest = self._previous, self._previous_rest
        if previous is None or not data.endswith(rest):
            return None
        line = data[: -len(rest)]
        if len(data) > self._limits.head or len(line) + _REST_OF_LINE > self._limits.line:
            return None
        known = _known_lines.get(line) or _learn_line(line)
        if known is None:
            return None
        head = RequestHead(known[0], known[1], previous.minor_version, previous.fields)
        head.host = previous.host
        head.keep_alive = previous.keep_alive
        return head

    def read(self, raw: bytes) -> RequestHead:
        """The head whose bytes these are, from its first line to `END_OF_HEAD`; raises the `Problem` with it."""
        repeated = self.read_repeated(raw)
        if repeated is not None:
            return repeated
        line = _REQUEST_LINE.match(raw)
        if line is None:
            raise self._line_refusal(raw)
        if line.end() > self._limits.line:
            raise self._line_too_long()
        if len(raw) > self._limits.head:
            raise self._head_too_long()
        method, target, version = line.groups()
        if method not in _METHODS:
            raise NotImplementedHere("The method is not known here.")
        head = self._read_whole(raw, method, target, int(version))
        self._previous = None if head.has_body else head
        self._previous_rest = raw[line.start(3) :]
        if head.target[0] != _SLASH:
            _settle_target(head)
        return head

    def _read_whole(self, raw: bytes, method: bytes, target: bytes, minor_version: int) -> RequestHead:
        if raw.count(b"\n") - 2 > self._limits.fields:  # the request line, and the empty one
            raise HeaderFieldsTooLarge(f"The request has more than {self._limits.fields} header fields.")
        self._fields = fields = RequestFields()
        ours: dict[bytes, bytes] = {}
        self._ours = ours
        self._split(raw)
        head = RequestHead(method, target, minor_version, fields)
        _settle_host(head, ours)
        _settle_body(head, ours)
        if b"connection" in ours:
            _settle_connection(head, ours[b"connection"])
        if head.has_body or not head.keep_alive or b"proxy-connection" in ours:
            # llhttp, which takes that one for Connection, now expects a body, or nothing at all; both are decided here
            self._parser = httptools.HttpRequestParser(self)
        return head

    def early_refusal(self, start: bytes, fresh_from: int) -> Problem | None:
        """What is wrong already with a head whose end has not come; bytes before `fresh_from` were looked at.

        Only what no further byte can mend, so that the verdict on the whole head would be a refusal as well.
        """
        if len(start) > self._limits.line and b"\r\n" not in start[: self._limits.line]:
            return self._line_too_long()
        if len(start) > self._limits.head:
            return self._head_too_long()
        if _BARE_LINE_FEED.search(start, max(0, fresh_from - 1)):
            return BadRequest("A line of the request does not end in CR LF.")
        return None

    def on_header(self, name: bytes, value: bytes) -> None:
        """For httptools."""
        name = name.lower()
        value = value.rstrip()
        fields = self._ours if name in _OURS else self._fields
        if name not in fields:
            fields[name] = value
        elif name in _ONCE_ONLY:
            self._repeated = name
        elif value:
            before = fields[name]
            fields[name] = before + (b"; " if name == b"cookie" else b", ") + value if before else value

    def _head_too_long(self) -> HeaderFieldsTooLarge:
        return HeaderFieldsTooLarge(f"The request's head is longer than {self._limits.head} bytes.")

    def _line_too_long(self) -> UriTooLong:
        return UriTooLong(f"The request line is longer than {self._limits.line} bytes.")

    def _split(self, raw: bytes) -> None:
        self._repeated = b""
        try:
            self._parser.feed_data(raw)
        except httptools.HttpParserUpgrade:
            # no protocol is ever switched to; llhttp has to forget that one was asked for
            self._parser = httptools.HttpRequestParser(self)
        except httptools.HttpParserError as error:
            raise BadRequest(f"The request is not well-formed HTTP: {str(error)[:100]}.") from error
        if self._repeated:
            raise BadRequest(f"The request has more than one {self._repeated.decode()} field.")

    def _line_refusal(self, raw: bytes) -> Problem:
        if raw.find(b"\r\n") + 2 > self._limits.line:
            return self._line_too_long()
        if _LINE_OF_OTHER_VERSION.match(raw):
            return VersionNotSupported("Only HTTP/1.1 and HTTP/1.0 are spoken here.")
        return BadRequest("The request line is not `METHOD target HTTP/1.1`.")


def _learn_line(beginning: bytes) -> tuple[bytes, bytes] | None:
    """Method and target of a request line up to its minor version; None for one that takes `read` to judge."""
    parts = _BEGINNING_OF_LINE.fullmatch(beginning)
    if parts is None or parts[1] not in _METHODS:
        return None
    if len(beginning) <= _LONGEST_REMEMBERED:
        if len(_known_lines) >= _LINES_REMEMBERED:
            _known_lines.clear()
        _known_lines[beginning] = parts[1], parts[2]
    return parts[1], parts[2]


def _settle_host(head: RequestHead, ours: dict[bytes, bytes]) -> None:
    host = ours.get(b"host")
    if host is None:
        if head.minor_version == 1:
            raise BadRequest("The request has no Host field.")
    elif not _is_authority(host):
        raise BadRequest("The Host field is not `host` or `host:port`.")
    else:
        head.host = host


def _is_authority(host: bytes) -> bool:
    parts = _HOST.fullmatch(host)
    if parts is None:
        return False
    address, port = parts.groups()
    return (address is None or _is_ipv6(address)) and (port is None or int(port) <= _LAST_PORT)


def _is_ipv6(address: bytes) -> bool:
    try:
        ipaddress.IPv6Address(address.decode("ascii"))
    except ValueError:
        return False
    return True


def _settle_body(head: RequestHead, ours: dict[bytes, bytes]) -> None:
    coding = ours.get(b"transfer-encoding")
    length = ours.get(b"content-length")
    if coding is not None:
        if length is not None or head.minor_version == 0 or coding.lower() != b"chunked":
            raise BadRequest("The request's body is framed in a way that is not accepted; chunked alone is.")
        head.chunked = True
        head.content_length = None
    elif length is not None:
        if _LENGTH.fullmatch(length) is None:
            raise BadRequest("The Content-Length is not a sensible number.")
        head.content_length = int(length)
    if head.minor_version == 1 and b"expect" in ours:
        if ours[b"expect"].lower() != b"100-continue":
            raise ExpectationFailed("Nothing but `100-continue` can be expected here.")
        head.expects_continue = head.has_body


def _settle_connection(head: RequestHead, value: bytes) -> None:
    options = {option.strip(b" \t") for option in value.lower().split(b",")}
    if b"close" in options:
        head.keep_alive = False
    elif b"keep-alive" in options:
        head.keep_alive = True
    named = options - {b"close", b"keep-alive", b""}
    if named:
        for name in named:
            head.fields.pop(name, None)


def _settle_target(head: RequestHead) -> None:
    """Make `target` a path. RFC 9112, section 3.2, has three more forms."""
    absolute = _ABSOLUTE_FORM.fullmatch(head.target)
    if absolute is not None:
        authority, rest = absolute.groups(default=b"/")
        if authority.lower() != head.host.lower():
            raise BadRequest("The target names another host than the Host field does.")
        head.target = rest if rest[:1] == b"/" else b"/" + rest
    elif not (head.target == b"*" and head.method == b"OPTIONS"):
        raise BadRequest("The target is neither a path nor an http address.")
