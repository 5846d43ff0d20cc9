import logging

import pytest

from caffelite.checking.problems import ERROR, WARNING, Problem, distinct, logged

LOGGER = logging.getLogger("caffelite")


@pytest.mark.parametrize(
    ("message", "place", "text"),
    [
        ("a/net.prototxt:12: wrong: 3", ("a/net.prototxt", 12, 0), "wrong: 3"),
        ("a/net.prototxt:12:7: wrong", ("a/net.prototxt", 12, 7), "wrong"),
        ("a/net.prototxt: wrong", ("a/net.prototxt", 0, 0), "wrong"),
        ("net:3: wrong", ("net", 3, 0), "wrong"),
        ('layer "a:1: b": wrong', ("solver.prototxt", 0, 0), 'layer "a:1: b": wrong'),
    ],
)
def test_place_in_a_message(message, place, text):
    files = ["solver.prototxt", "net", "a/net.prototxt"]
    problem = Problem.read(ERROR, message, files)
    assert problem == (ERROR, *place, text)
    assert str(problem) == ":".join(str(part) for part in place if part) + f": error: {text}"


def test_order_is_that_of_files_and_lines():
    third, first, second = (Problem(ERROR, *place, "x") for place in (("b", 9, 0), ("a", 2, 1), ("b", 3, 0)))
    assert distinct([first, third, second, first, third]) == [first, second, third]


def test_what_is_logged_is_kept_and_not_written(capsys):
    before = LOGGER.handlers[:], LOGGER.level, LOGGER.propagate
    with pytest.raises(ValueError), logged() as records:
        LOGGER.info("nobody's")
        LOGGER.warning("%s", WARNING)
        LOGGER.error("%s", ERROR)
        raise ValueError
    assert (records.warnings, records.errors) == ([WARNING], [ERROR])
    assert (LOGGER.handlers[:], LOGGER.level, LOGGER.propagate) == before
    assert capsys.readouterr() == ("", "")
