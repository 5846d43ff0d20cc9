"""`caffelite help`: usage and help texts, made from the table of flags that also reads the command line."""

import inspect
from collections.abc import Callable, Iterable
from textwrap import fill
from typing import Any

from caffelite.cli import common
from caffelite.cli.command import COMMANDS, Arguments, Command, command
from caffelite.cli.flags import Flag
from caffelite.cli.streams import write_stdout

WIDTH = 100
COLUMN = 30


@command(
    "help",
    "show the commands, or one command and its flags",
    flags=(),
    positionals="[COMMAND]",
    first_words=lambda: COMMANDS,
)
def help(arguments: Arguments) -> None:
    """Show the commands, or what can be written after COMMAND, as --help does.

    caffelite help train
    """
    write_stdout(of_command(COMMANDS[arguments.positionals[0]]) if arguments.positionals else overview())


def overview() -> str:
    """Return the text of `caffelite --help`."""
    lines = ["usage: caffelite <command> <flags>", "", "commands:"]
    width = max(map(len, COMMANDS)) + 2
    lines += [f"  {name:<{width}}{COMMANDS[name].summary}" for name in COMMANDS]
    lines += ["", "flags of every command:", *_entries(common.FLAGS)]
    lines += ["", "caffelite help <command> lists the flags of one command."]
    return "\n".join(lines)


def of_command(command: Command) -> str:
    """Return the text of `caffelite <command> --help`."""
    lines = [f"usage: {command.usage()}", "", inspect.cleandoc(command.run.__doc__ or command.summary), ""]
    if command.flags:
        lines += [f"flags of {command.name}:", *_entries(command.flags, command.help_of), ""]
    return "\n".join([*lines, "flags of every command:", *_entries(common.FLAGS)])


def _entries(flags: Iterable[Flag[Any]], help_of: Callable[[Flag[Any]], str] = Flag.help_with_default) -> list[str]:
    return [_entry(flag, help_of(flag)) for flag in flags]


def _entry(flag: Flag[Any], text: str) -> str:
    shown = f"--{flag.name}" + (f"={flag.metavar}" if flag.metavar else "")
    start = f"  {shown:<{COLUMN - 2}}"
    if len(start) > COLUMN:
        start = f"{start}\n{'':{COLUMN}}"
        return start + fill(text, WIDTH - COLUMN, subsequent_indent=" " * COLUMN)
    return fill(start + text, WIDTH, subsequent_indent=" " * COLUMN, drop_whitespace=True)
