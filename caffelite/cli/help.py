"""Usage and help texts, made from the table of flags that also reads the command line."""

import inspect
from collections.abc import Iterable
from textwrap import fill
from typing import Any

from caffelite.cli.command import COMMANDS, Command
from caffelite.cli.flags import Flag

WIDTH = 100
COLUMN = 30


def overview(common: Iterable[Flag[Any]]) -> str:
    """Return the text of `caffelite --help`."""
    lines = ["usage: caffelite <command> <flags>", "", "commands:"]
    lines += [f"  {name:<16}{COMMANDS[name].summary}" for name in COMMANDS]
    lines += ["", "flags of every command:", *_entries(common)]
    lines += ["", "caffelite <command> --help lists the flags of one command."]
    return "\n".join(lines)


def of_command(command: Command, common: Iterable[Flag[Any]]) -> str:
    """Return the text of `caffelite <command> --help`."""
    usage = " ".join(filter(None, ["usage: caffelite", command.name, command.positionals, "<flags>"]))
    lines = [usage, "", inspect.cleandoc(command.run.__doc__ or command.summary), ""]
    if command.flags:
        lines += [f"flags of {command.name}:", *_entries(command.flags), ""]
    return "\n".join([*lines, "flags of every command:", *_entries(common)])


def _entries(flags: Iterable[Flag[Any]]) -> list[str]:
    return [_entry(flag) for flag in flags]


def _entry(flag: Flag[Any]) -> str:
    shown = f"--{flag.name}" + (f"={flag.metavar}" if flag.metavar else "")
    default = "" if flag.default == "" else f" Default: {str(flag.default).lower()}."
    start = f"  {shown:<{COLUMN - 2}}"
    if len(start) > COLUMN:
        start = f"{start}\n{'':{COLUMN}}"
        return start + fill(flag.help + default, WIDTH - COLUMN, subsequent_indent=" " * COLUMN)
    return fill(start + flag.help + default, WIDTH, subsequent_indent=" " * COLUMN, drop_whitespace=True)
