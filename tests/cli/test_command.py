import pytest

from caffelite.cli.command import Arguments, Command, flag_table
from caffelite.cli.flags import boolean, int32, string
from caffelite.core.errors import UsageError

FORCE = boolean("force", "Do it.")


def made(positionals, file=None):
    return Command("make", "make a thing", (FORCE,), positionals, lambda arguments: None, file=file)


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


def test_a_word_may_stand_for_a_flag():
    model = string("model", "", "The model.")
    given = Arguments({FORCE: True}, ["net.prototxt"], ("python", "make.py"))
    taken = made("[FILE]", model).with_file(given)
    assert taken.values == {model: "net.prototxt", FORCE: True}
    assert (taken.positionals, taken.program) == ([], ("python", "make.py"))
    assert made("[FILE]").with_file(given) is given
    with pytest.raises(UsageError, match='make has "net.prototxt" and --model=b, which mean the same; give one'):
        made("[FILE]", model).with_file(Arguments({model: "b"}, ["net.prototxt"]))


def test_a_flag_has_a_help_text_for_each_command():
    level = int32("level", 7, "Level.")
    command = Command("make", "make a thing", (level,), "", lambda arguments: None, flag_help={level: "How high."})
    assert (command.help_of(level), made("").help_of(level)) == ("How high.", "Level. Default: 7.")


def test_arguments_give_value_or_default():
    level = int32("level", 7, "Level.")
    arguments = Arguments({FORCE: True}, ["a"])
    assert (arguments[FORCE], arguments[level]) == (True, 7)
    assert arguments.given(FORCE)
    assert not arguments.given(level)


def test_a_name_is_defined_once():
    with pytest.raises(AssertionError, match="flag force is defined twice"):
        flag_table([FORCE, boolean("force", "Do it, too.")])
