import pytest

from caffelite.core.errors import LONGEST_LINE, CaffeliteError, LayerError, PrototxtError, printable


def test_control_characters_become_escapes_but_lines_stay_lines():
    assert printable("a\x1b[2Jb\r\n\tc\x00\x9b\u202e\udcff") == "a\\x1b[2Jb\\r\n\tc\\x00\\x9b\\u202e\\udcff"


def test_of_a_long_line_the_middle_is_left_out():
    text = printable("first\n" + "a" * 5000 + "end\nlast")
    first, long, last = text.split("\n")
    assert (first, last) == ("first", "last")
    assert len(long) < LONGEST_LINE and long.endswith("aend")
    assert " ... (3170 characters) ... " in long
    assert printable("a" * LONGEST_LINE) == "a" * LONGEST_LINE


@pytest.mark.parametrize(
    "error", [CaffeliteError("\x1b" * 9000), PrototxtError("\x1b" * 9000), LayerError("type", "\x1b" * 9000, "write b")]
)
def test_every_error_is_printable(error):
    assert "\x1b" not in str(error)
    assert len(str(error)) <= LONGEST_LINE
    assert str(CaffeliteError()) == ""
