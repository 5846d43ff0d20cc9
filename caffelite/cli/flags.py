"""What a flag of the command line is: its name, the kind of its value, its help text."""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from caffelite.core.errors import UsageError
from caffelite.core.prototxt.suggest import any_of, did_you_mean

T = TypeVar("T")

INT32 = range(-(2**31), 2**31)
WORDS_OF_BOOL = {
    **dict.fromkeys(("1", "t", "true", "y", "yes"), True),
    **dict.fromkeys(("0", "f", "false", "n", "no"), False),
}


class FlagError(UsageError):
    """A flag that does not exist, has no value, or a value of the wrong kind."""


@dataclass(frozen=True, eq=False)  # a flag is its definition: two of one name are two flags
class Flag(Generic[T]):
    """One option of the command line. `read` makes its value from text and raises ValueError if it cannot.

    Of a flag that is given several times the last one counts, or, if it `adds_up`, all, with commas between.
    """

    name: str
    kind: str
    default: T
    help: str
    metavar: str
    read: Callable[[str], T]
    choices: tuple[str, ...] = ()
    adds_up: bool = False

    def value_of(self, text: str) -> T:
        """Return the value that `text` stands for; FlagError if it stands for none."""
        try:
            return self.read(text)
        except ValueError:
            hint = f"; use {any_of(self.choices)}{did_you_mean(text, self.choices)}" if self.choices else ""
            raise FlagError(f"illegal value '{text}' specified for {self.kind} flag '{self.name}'{hint}") from None

    def help_with_default(self) -> str:
        """Return the help text, with the default if it says something."""
        return self.help if self.default == "" else f"{self.help} Default: {str(self.default).lower()}."

    def written(self, value: T) -> list[str]:
        """Return the words of a command line that give the flag this value."""
        if isinstance(value, bool):
            return [f"--{'' if value else 'no'}{self.name}"]
        return [f"--{self.name}", str(value)]


def string(
    name: str,
    default: str,
    help: str,
    *,
    metavar: str = "TEXT",
    choices: Iterable[str] = (),
    adds_up: bool = False,
) -> Flag[str]:
    """Define a flag whose value is text: any, or one of `choices` (or the default)."""
    allowed = tuple(choices)

    def read(text: str) -> str:
        if allowed and text not in (*allowed, default):
            raise ValueError(text)
        return text

    return Flag(name, "string", default, help, "|".join(allowed) or metavar, read, allowed, adds_up)


def int32(name: str, default: int, help: str, *, metavar: str = "N") -> Flag[int]:
    """Define a flag whose value is a whole number of 32 bits, decimal or 0x-hexadecimal."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)", text):
            raise ValueError(text)
        value = int(text, 16 if "x" in text.lower() else 10)
        if value not in INT32:
            raise ValueError(text)
        return value

    return Flag(name, "int32", default, help, metavar, read)


def double(name: str, default: float, help: str, *, metavar: str = "X") -> Flag[float]:
    """Define a flag whose value is a finite number: 0.01, 1e-6."""

    def read(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise ValueError(text)
        return value

    return Flag(name, "double", default, help, metavar, read)


def boolean(name: str, help: str, *, default: bool = False) -> Flag[bool]:
    """Define a flag that is on (`--name`, `--name=yes`) or off (`--noname`, `--name=no`)."""

    def read(text: str) -> bool:
        if text.lower() not in WORDS_OF_BOOL:
            raise ValueError(text)
        return WORDS_OF_BOOL[text.lower()]

    return Flag(name, "bool", default, help, "", read)


Values = dict[Flag[Any], Any]
