"""What a command is and how it makes itself known. The files beside this one are found, not listed."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, TypeVar

from caffelite.cli.flags import Flag, Values
from caffelite.cli.program import NAME
from caffelite.core.errors import UsageError
from caffelite.core.registry import Registry

T = TypeVar("T")


class Arguments:
    """What the command line says: `arguments[FLAG]` is the flag's value, `positionals` the words that are no flags.

    `program` are the words that start the program, for commands that are printed.
    """

    def __init__(self, values: Values, positionals: list[str], program: Sequence[str] = (NAME,)) -> None:
        self.values = values
        self.positionals = positionals
        self.program = program

    def __getitem__(self, flag: Flag[T]) -> T:
        value: T = self.values.get(flag, flag.default)
        return value

    def given(self, flag: Flag[Any]) -> bool:
        """Whether the command line has the flag."""
        return flag in self.values


Run = Callable[[Arguments], int | None]
R = TypeVar("R", bound=Run)


@dataclass(frozen=True)
class Command:
    """One action of `caffelite`: its line in the list of commands, its flags, and the function that runs it.

    `run` returns the exit status; None is 0. `result_is_log`: nothing but log lines is made, so that a run whose log
    was lost has failed. `file` is the flag that a word without a flag stands for: `train solver.prototxt`.
    `flag_help` are the help texts of flags that do something of their own in this command. `first_words` gives what
    the first word behind the command may be, where that is one of a few names.
    """

    name: str
    summary: str
    flags: tuple[Flag[Any], ...]
    positionals: str
    run: Run
    result_is_log: bool = False
    file: Flag[str] | None = None
    flag_help: Mapping[Flag[Any], str] = field(default_factory=dict)
    first_words: Callable[[], Iterable[str]] | None = None

    def help_of(self, flag: Flag[Any]) -> str:
        """Return the help text of a flag in this command."""
        return self.flag_help.get(flag) or flag.help_with_default()

    def with_file(self, arguments: Arguments) -> Arguments:
        """Return the arguments with the word that stands for `file` as that flag; UsageError if both are given."""
        if self.file is None or not arguments.positionals:
            return arguments
        (name,) = arguments.positionals
        if arguments.given(self.file):
            raise UsageError(
                f'{self.name} has "{name}" and --{self.file.name}={arguments[self.file]}, which mean the same; give one'
            )
        return Arguments({self.file: name, **arguments.values}, [], arguments.program)

    def check_positionals(self, given: list[str]) -> None:
        """Raise UsageError unless `given` are as many words as e.g. "NAME [FOLDER]" or "FILE..." ask for."""
        wanted = self.positionals.split()
        least = sum(not word.startswith("[") for word in wanted)
        most = float("inf") if "..." in self.positionals else len(wanted)
        if len(given) < least:
            missing = next(word for word in wanted[len(given) :] if not word.startswith("["))
            raise UsageError(f"{self.name} is missing {missing}; write {self.usage()}")
        if len(given) > most:
            extra = given[len(wanted)]
            raise UsageError(f'{self.name} has no use for "{extra}"; write {self.usage()}')

    def usage(self) -> str:
        """Return what to write: `caffelite make NAME [FOLDER] <flags>`."""
        return " ".join(filter(None, [NAME, self.name, self.positionals, "<flags>" if self.flags else ""]))


COMMANDS: Registry[Command] = Registry("action")


def command(
    name: str,
    summary: str,
    *,
    flags: Iterable[Flag[Any]],
    positionals: str = "",
    result_is_log: bool = False,
    file: Flag[str] | None = None,
    flag_help: Mapping[Flag[Any], str] | None = None,
    first_words: Callable[[], Iterable[str]] | None = None,
) -> Callable[[R], R]:
    """Decorate the function that runs the command; its docstring is the command's help text."""
    words = f"[{file.metavar}]" if file else positionals

    def add(run: R) -> R:
        COMMANDS.register(name)(
            Command(name, summary, tuple(flags), words, run, result_is_log, file, dict(flag_help or {}), first_words)
        )
        return run

    return add


def load_commands() -> None:
    """Import the files of this folder: those that are commands register themselves."""
    for found in iter_modules([str(Path(__file__).parent)]):
        import_module(f"caffelite.cli.{found.name}")


def flag_table(common: Iterable[Flag[Any]]) -> dict[str, Flag[Any]]:
    """Map the names of all flags to the flags; flags stand before the command too, so a name has one meaning."""
    table: dict[str, Flag[Any]] = {}
    for flag in (*common, *(flag for name in COMMANDS for flag in COMMANDS[name].flags)):
        assert table.setdefault(flag.name, flag) is flag, f"flag {flag.name} is defined twice"
        assert re.fullmatch("[a-z][a-z0-9_]*", flag.name), f"flag {flag.name}: write a-z, 0-9 and _"
    return table
