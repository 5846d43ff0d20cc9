"""What a command is and how it makes itself known. The files beside this one are found, not listed."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, TypeVar

from caffelite.cli.flags import Flag, Values
from caffelite.core.errors import UsageError
from caffelite.core.registry import Registry

T = TypeVar("T")


class Arguments:
    """What the command line says: `arguments[FLAG]` is the flag's value, `positionals` the words that are no flags."""

    def __init__(self, values: Values, positionals: list[str]) -> None:
        self.values = values
        self.positionals = positionals

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
    was lost has failed.
    """

    name: str
    summary: str
    flags: tuple[Flag[Any], ...]
    positionals: str
    run: Run
    result_is_log: bool = False

    def check_positionals(self, given: list[str]) -> None:
        """Raise UsageError unless `given` are as many words as e.g. "NAME [FOLDER]" or "FILE..." ask for."""
        wanted = self.positionals.split()
        least = sum(not word.startswith("[") for word in wanted)
        most = float("inf") if "..." in self.positionals else len(wanted)
        if len(given) < least:
            missing = next(word for word in wanted[len(given) :] if not word.startswith("["))
            raise UsageError(f"{self.name} is missing {missing}; write caffelite {self.name} {self.positionals}")
        if len(given) > most:
            extra = given[len(wanted)]
            raise UsageError(f'{self.name} has no use for "{extra}"; write caffelite {self.name} {self.positionals}')


COMMANDS: Registry[Command] = Registry("action")


def command(
    name: str, summary: str, *, flags: Iterable[Flag[Any]], positionals: str = "", result_is_log: bool = False
) -> Callable[[R], R]:
    """Decorate the function that runs the command; its docstring is the command's help text."""

    def add(run: R) -> R:
        COMMANDS.register(name)(Command(name, summary, tuple(flags), positionals, run, result_is_log))
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
