"""Cutting what a process prints into lines."""

from collections.abc import Iterator

LONGEST_LINE = 16 * 1024


class LogLines:
    """Bytes in, whole lines out, without their ends; a line longer than 16 KiB comes in pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that are whole now; bytes that are not UTF-8 are shown as U+FFFD."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) > LONGEST_LINE:
            lines.append(self._rest[:LONGEST_LINE])
            self._rest = self._rest[LONGEST_LINE:]
        return map(_text, lines)

    def end(self) -> Iterator[str]:
        """What is left when no more comes: a last line without an end, or nothing."""
        rest, self._rest = self._rest, b""
        return map(_text, [rest] if rest else [])


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "replace")
