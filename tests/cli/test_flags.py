import pytest

from caffelite.cli.command_line import parse
from caffelite.cli.flags import FlagError, boolean, int32, string

MODEL = string("model", "", "The model.")
PHASE = string("phase", "", "The phase.", choices=("TRAIN", "TEST"))
COUNT = int32("test_count", 50, "How many.")
QUIET = boolean("quiet_run", "Say less.")
KNOWN = {flag.name: flag for flag in (MODEL, COUNT, QUIET)}


def test_values_from_text():
    assert (COUNT.value_of("0x1F"), QUIET.value_of("Yes"), MODEL.value_of(" a"), PHASE.value_of("")) == (
        31,
        True,
        " a",
        "",
    )
    with pytest.raises(FlagError, match="illegal value 'train' specified for string flag 'phase'; use TRAIN or TEST"):
        PHASE.value_of("train")


def test_the_help_text_has_the_default_if_it_says_something():
    assert MODEL.help_with_default() == "The model."
    assert COUNT.help_with_default() == "How many. Default: 50."
    assert QUIET.help_with_default() == "Say less. Default: false."


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [(MODEL, "a b", ["--model", "a b"]), (COUNT, -1, ["--test_count", "-1"]), (QUIET, True, ["--quiet_run"])],
)
def test_written(flag, value, words):
    assert flag.written(value) == words
    assert parse(words, KNOWN) == ({flag: value}, [], [])


def test_a_flag_that_is_off_is_written_with_no():
    assert QUIET.written(False) == ["--noquiet_run"]
