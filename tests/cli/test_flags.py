import pytest

from caffelite.cli.command_line import parse
from caffelite.cli.flags import FlagError, boolean, double, int32, string

MODEL = string("model", "", "The model.")
PHASE = string("phase", "", "The phase.", choices=("TRAIN", "TEST"))
COUNT = int32("test_count", 50, "How many.")
RATE = double("rate", 0.5, "How fast.")
QUIET = boolean("quiet_run", "Say less.")
KNOWN = {flag.name: flag for flag in (MODEL, COUNT, RATE, QUIET)}


def test_values_from_text():
    assert (COUNT.value_of("0x1F"), QUIET.value_of("Yes"), MODEL.value_of(" a"), PHASE.value_of("")) == (
        31,
        True,
        " a",
        "",
    )
    with pytest.raises(FlagError, match="illegal value 'train' specified for string flag 'phase'; use TRAIN or TEST"):
        PHASE.value_of("train")


@pytest.mark.parametrize("text", ["", "x", "nan", "-inf", "1e999"])
def test_a_double_is_a_finite_number(text):
    assert (RATE.value_of("1e-3"), RATE.value_of("-2")) == (0.001, -2)
    with pytest.raises(FlagError, match=f"illegal value '{text}' specified for double flag 'rate'"):
        RATE.value_of(text)


def test_the_help_text_has_the_default_if_it_says_something():
    assert MODEL.help_with_default() == "The model."
    assert COUNT.help_with_default() == "How many. Default: 50."
    assert QUIET.help_with_default() == "Say less. Default: false."


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        (MODEL, "a b", ["--model", "a b"]),
        (COUNT, -1, ["--test_count", "-1"]),
        (RATE, 1e-6, ["--rate", "1e-06"]),
        (QUIET, True, ["--quiet_run"]),
    ],
)
def test_written(flag, value, words):
    assert flag.written(value) == words
    assert parse(words, KNOWN) == ({flag: value}, [], [])


def test_a_flag_that_is_off_is_written_with_no():
    assert QUIET.written(False) == ["--noquiet_run"]
