import inspect
import shlex

import pytest

from caffelite.cli import common
from caffelite.cli.command import COMMANDS, flag_table, load_commands
from caffelite.cli.command_line import parse

load_commands()


def examples(name):
    """Return the command lines of a command's help, without what a shell does with them."""
    lines = map(str.strip, inspect.cleandoc(COMMANDS[name].run.__doc__).splitlines())
    starts = tuple(f"caffelite {word}" for word in {name, name.replace("_", "-")})
    return [line.partition(" 2>")[0].partition(" > ")[0] for line in lines if line.startswith(starts)]


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_an_example_that_it_takes(name, caffelite):
    command = COMMANDS[name]
    assert examples(name)
    for line in examples(name):
        values, words, notes = parse(shlex.split(line)[1:], flag_table(common.FLAGS))
        assert COMMANDS[words[0]] is command
        command.check_positionals(words[1:])
        assert set(values) <= {*common.FLAGS, *command.flags} and not notes, line
    result = caffelite(name, "--help")
    assert (result.status, result.err) == (0, "")
    assert all(line in result.out for line in examples(name))


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_flag_is_explained(name, caffelite):
    out = caffelite("help", name).out
    for flag in COMMANDS[name].flags:
        assert f"--{flag.name}" in out
        assert COMMANDS[name].help_of(flag)
