"""Times and sizes as people read them."""

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_MEBIBYTE = 1024 * 1024


def duration(seconds: float | None) -> str:
    """`75.3` is "1m 15s": the two greatest units; "-" for None."""
    if seconds is None:
        return "-"
    rest = int(seconds)
    words: list[str] = []
    for length, unit in _UNITS:
        if rest >= length or words or unit == "s":
            words.append(f"{rest // length}{unit}")
            rest %= length
    return " ".join(words[:2])


def size(count: int | None) -> str:
    """Bytes as whole mebibytes, "34 MB"; "-" for None."""
    return "-" if count is None else f"{round(count / _MEBIBYTE)} MB"
