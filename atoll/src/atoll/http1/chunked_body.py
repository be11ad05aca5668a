"""A chunked body (RFC 9112, section 7.1), taken apart strictly: sizes in plain hex, every line ended by CR LF.

httptools cannot say where a body ended, and the bytes after it belong to the next request; so this is ours.
Extensions of chunks and trailer fields are checked for form, and dropped.
"""

import re

from atoll.problems import BadRequest, HeaderFieldsTooLarge

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")

_LINE_LIMIT = 1024
"""Bytes of one line: a size with its extensions, or a trailer field."""

_OVERHEAD_LIMIT = 16 * 1024
"""Bytes of all extensions and trailer fields of one body together."""

_SIZE_LINE, _DATA, _DATA_END, _TRAILERS, _ENDED = range(5)


class ChunkedBody:
    """Takes the coding off one body. `ended` says that its last line has been seen."""

    __slots__ = ("_line", "_overhead", "_stage", "remaining")

    def __init__(self) -> None:
        self._stage = _SIZE_LINE
        self._line = b""
        self._overhead = 0
        self.remaining = 0
        """Bytes of the present chunk that have been announced and are yet to come."""

    @property
    def ended(self) -> bool:
        return self._stage == _ENDED

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """What of the body is in `data`, and the bytes that follow the body; raises the `Problem` with them."""
        pieces = []
        position = 0
        while position < len(data) and self._stage != _ENDED:
            if self._stage == _DATA:
                piece = data[position : position + self.remaining]
                pieces.append(piece)
                position += len(piece)
                self.remaining -= len(piece)
                if not self.remaining:
                    self._stage = _DATA_END
            else:
                position = self._take_line(data, position)
        return b"".join(pieces), data[position:]

    def _take_line(self, data: bytes, position: int) -> int:
        """Take bytes up to a line's end, if it is there, and act on the line; return where to go on."""
        end = data.find(b"\n", position) + 1
        self._line += data[position : end or len(data)]
        limit = 2 if self._stage == _DATA_END else _LINE_LIMIT
        if len(self._line) > limit:
            raise BadRequest("A line of the chunked body is too long.")
        if not end:
            return len(data)
        if not self._line.endswith(b"\r\n"):
            raise BadRequest("A line of the chunked body does not end in CR LF.")
        line, self._line = self._line[:-2], b""
        self._act_on(line)
        return end

    def _act_on(self, line: bytes) -> None:
        if self._stage == _SIZE_LINE:
            self._begin_chunk(line)
        elif self._stage == _DATA_END:
            self._end_chunk(line)
        elif line:
            self._drop_trailer(line)
        else:
            self._stage = _ENDED

    def _begin_chunk(self, line: bytes) -> None:
        size = _SIZE.fullmatch(line)
        if size is None:
            raise BadRequest("A chunk of the body does not begin with its size.")
        self.remaining = int(size[1], 16)
        self._count_overhead(len(line) - len(size[1]))
        self._stage = _DATA if self.remaining else _TRAILERS

    def _end_chunk(self, line: bytes) -> None:
        if line:
            raise BadRequest("A chunk of the body is longer than its size.")
        self._stage = _SIZE_LINE

    def _drop_trailer(self, line: bytes) -> None:
        if _TRAILER.fullmatch(line) is None:
            raise BadRequest("A trailer field of the body is malformed.")
        self._count_overhead(len(line))

    def _count_overhead(self, size: int) -> None:
        self._overhead += size
        if self._overhead > _OVERHEAD_LIMIT:
            raise HeaderFieldsTooLarge("The chunked body's extensions and trailers are too long.")
