import pytest

from caffelite.cli.command import Arguments, Command, flag_table
from caffelite.cli.flags import boolean, int32
from caffelite.core.errors import UsageError

FORCE = boolean("force", "Do it.")


def made(positionals):
    return Command("make", "make a thing", (FORCE,), positionals, lambda arguments: None)


@pytest.mark.parametrize(
    ("positionals", "given"),
    [("", []), ("NAME", ["a"]), ("NAME [FOLDER]", ["a"]), ("NAME [FOLDER]", ["a", "b"]), ("FILE...", ["a", "b", "c"])],
)
def test_positionals_accepted(positionals, given):
    made(positionals).check_positionals(given)


@pytest.mark.parametrize(
    ("positionals", "given", "message"),
    [
        ("NAME [FOLDER]", [], r"make is missing NAME; write caffelite make NAME \[FOLDER\]"),
        ("FILE...", [], "make is missing FILE..."),
        ("NAME", ["a", "b"], 'make has no use for "b"; write caffelite make NAME'),
    ],
)
def test_positionals_refused(positionals, given, message):
    with pytest.raises(UsageError, match=message):
        made(positionals).check_positionals(given)


def test_arguments_give_value_or_default():
    level = int32("level", 7, "Level.")
    arguments = Arguments({FORCE: True}, ["a"])
    assert (arguments[FORCE], arguments[level]) == (True, 7)
    assert arguments.given(FORCE)
    assert not arguments.given(level)


def test_a_name_is_defined_once():
    with pytest.raises(AssertionError, match="flag force is defined twice"):
        flag_table([FORCE, boolean("force", "Do it, too.")])
