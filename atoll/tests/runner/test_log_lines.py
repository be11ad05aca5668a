from atoll.runner.log_lines import LONGEST_LINE, LogLines


def test_lines_come_out_whole_however_they_went_in() -> None:
    lines = LogLines()

    assert [*lines.feed(b"one\ntw"), *lines.feed(b"o\r\n"), *lines.feed(b"\nthree")] == ["one", "two", ""]
    assert [*lines.end()] == ["three"]
    assert [*lines.end()] == []


def test_a_character_cut_in_two_is_put_together() -> None:
    lines = LogLines()

    assert [*lines.feed("Jürgen".encode()[:2]), *lines.feed("Jürgen\n".encode()[2:])] == ["Jürgen"]


def test_what_is_not_utf_8_is_still_shown() -> None:
    assert [*LogLines().feed(b"\xff!\n")] == ["�!"]


def test_a_line_without_end_comes_in_pieces() -> None:
    lines = LogLines()

    pieces = [*lines.feed(b"x" * (2 * LONGEST_LINE + 1))]

    assert [len(piece) for piece in pieces] == [LONGEST_LINE, LONGEST_LINE]
    assert [*lines.end()] == ["x"]
