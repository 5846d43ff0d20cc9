"""Command lines as gflags reads them: `-f=v`, `--f=v`, `-f v`, `--f v`, `--nof`, `-` and `_` alike, the last one wins.

Flags also come from files (--flagfile) and the environment (--fromenv), and may be unknown (--undefok).
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from caffelite.cli.flags import Flag, FlagError, Values, string
from caffelite.core.files import file_problem
from caffelite.core.prototxt.suggest import did_you_mean

_FLAG_WITHOUT_DASHES = re.compile(r"[A-Za-z_]+\s*=")  # which gflags takes for the name of a program
FLAGFILE = string("flagfile", "", "Files with more flags, one --name=value a line, # before comments.", metavar="FILES")
UNDEFOK = string("undefok", "", "Flags that need not exist, as --name=value; they do nothing then.", metavar="NAMES")
FROMENV = string("fromenv", "", "Flags to take from the environment, where they are FLAGS_name.", metavar="NAMES")
TRYFROMENV = string("tryfromenv", "", "The same, of those that are there.", metavar="NAMES")
# Flags of glog that change nothing here, those with a value and those without.
GLOG_VALUES = {
    *("v", "vmodule", "logbuflevel", "logbufsecs", "max_log_size", "log_link", "log_backtrace_at", "logfile_mode"),
    *("alsologtoemail", "logemaillevel", "logmailer"),
}
GLOG_BOOLEANS = {
    *("log_prefix", "colorlogtostderr", "stop_logging_if_full_disk", "drop_log_memory", "symbolize_stacktrace"),
    "timestamp_in_logfile_name",
}
PROGRAMS = ("caffe", "caffelite")  # what a flag file calls this program, in lines that are no flags


class Parsed(NamedTuple):
    """The values of the flags given, the words that are no flags, in order, and what is to be said in the log."""

    values: Values
    positionals: list[str]
    notes: list[str]


def parse(words: Sequence[str], known: Mapping[str, Flag[Any]]) -> Parsed:
    """Read a command line; `known` maps names (with `_`) to flags. Words after `--` are no flags. Raises FlagError."""
    parser = _Parser(known)
    parser.words(words)
    parser.refuse_unknown()
    return Parsed(parser.values, parser.positionals, parser.notes)


class _Parser:
    """Takes up words; flags that bring in others do so where they stand, so that later ones win."""

    def __init__(self, known: Mapping[str, Flag[Any]]) -> None:
        self.values: Values = {}
        self.positionals: list[str] = []
        self.notes: list[str] = []
        self._known = known
        self._unknown: list[str] = []  # --undefok may stand behind them
        self._reading: list[str] = []  # flag files that are open

    def words(self, words: Sequence[str]) -> None:
        """Take up the words of a command line."""
        rest = iter(words)
        for word in rest:
            if word == "--":
                self.positionals += rest
            elif not word.startswith("-") or word == "-":
                self.positionals.append(word)
            else:
                self._flag(word, rest)

    def refuse_unknown(self) -> None:
        """Raise FlagError for the first flag that does not exist, unless --undefok names it."""
        fine = {name.strip().replace("-", "_") for name in self.values.get(UNDEFOK, "").split(",")}
        for written in self._unknown:
            name = written.replace("-", "_")
            if name not in fine and name.removeprefix("no") not in fine:
                raise FlagError(f"unknown command line flag '{written}'{did_you_mean(written, self._known)}")

    def _flag(self, word: str, rest: Iterator[str]) -> None:
        """Take up the flag that `word` names; its text stands behind `=` or, except for booleans, is the next word."""
        written, equals, text = word.removeprefix("-").removeprefix("-").partition("=")
        name = written.replace("-", "_")
        flag = self._known.get(name)
        if flag is None:
            off = self._known.get(name.removeprefix("no"))
            if name in GLOG_VALUES or {name, name.removeprefix("no")} & GLOG_BOOLEANS:
                if name in GLOG_VALUES and not equals:
                    next(rest, None)
                self.notes.append(f"--{written} does nothing: caffelite's log has no such setting")
            elif off is None or off.kind != "bool" or equals:
                self._unknown.append(written)
            else:
                self._set(off, "false")
        elif equals:
            self._set(flag, text)
        elif flag.kind == "bool":
            self._set(flag, "true")
        else:
            try:
                self._set(flag, next(rest))
            except StopIteration:
                raise FlagError(f"flag '-{flag.name}' is missing its argument; flag description: {flag.help}") from None

    def _set(self, flag: Flag[Any], text: str) -> None:
        before = self.values.pop(flag, None)  # so that the order is that of the last mentions
        self.values[flag] = flag.value_of(f"{before},{text}" if flag.adds_up and before else text)
        if flag is FLAGFILE:
            for name in filter(None, text.split(",")):
                self._flagfile(name)
        elif flag in (FROMENV, TRYFROMENV):
            for name in filter(None, text.split(",")):
                self._from_environment(name, optional=flag is TRYFROMENV)

    def _flagfile(self, name: str) -> None:
        """Take up the lines of a flag file; as in gflags, an unknown flag there is no error, but a line of the log."""
        if name in self._reading:
            raise FlagError(f"--flagfile: {name} brings in itself")
        if problem := file_problem(name):
            raise FlagError(f"--flagfile: {problem}")
        lines = Path(name).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        self._reading.append(name)
        ours = True
        for number, line in enumerate(map(str.strip, lines), 1):
            if not line or line.startswith("#"):
                continue
            if _FLAG_WITHOUT_DASHES.match(line):
                meant = "=".join(part.strip() for part in line.split("=", 1))
                self.notes.append(
                    f"{name}:{number}: {line} does nothing, since flags begin with dashes; write --{meant}"
                )
            elif not line.startswith("-"):  # names of programs, which the lines below are for
                ours = any(fnmatch(program, pattern) for pattern in line.split() for program in self._programs())
            elif ours:
                self._line(line, f"{name}:{number}")
        self._reading.pop()

    def _programs(self) -> tuple[str, ...]:
        return (*PROGRAMS, *self.positionals[:1])

    def _line(self, line: str, place: str) -> None:
        unknown = len(self._unknown)
        try:
            self._flag(line, iter(()))
        except FlagError as err:
            raise FlagError(f"{place}: {err}") from None
        if len(self._unknown) > unknown:
            written = self._unknown.pop()
            hint = "; write --name=value" if " " in written else did_you_mean(written, self._known)
            self.notes.append(f"{place}: there is no flag '{written}', and the line does nothing{hint}")

    def _from_environment(self, written: str, optional: bool) -> None:
        name = written.replace("-", "_")
        text = os.environ.get(f"FLAGS_{name}")
        flag = self._known.get(name)
        if flag is None:
            self._unknown.append(written)
        elif text is not None:
            self._set(flag, text)
        elif not optional:
            raise FlagError(f"--fromenv: FLAGS_{name} is not in the environment")
