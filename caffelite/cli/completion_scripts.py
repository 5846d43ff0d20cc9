"""Scripts for bash, zsh and fish, made from the table of commands and flags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from caffelite.cli import common
from caffelite.cli.command import Command, flag_table
from caffelite.cli.flags import Flag
from caffelite.cli.program import NAME

Script = Callable[[Sequence[Command]], str]

# A word behind a flag's name, or behind "=" (which bash makes a word of its own), is the flag's value.
BASH = r"""_@NAME@() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command='' flag='' flags='' first='' i dashes
  local commands='@COMMANDS@'
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ " $commands " == *" ${COMP_WORDS[i]} "* ]]; then command=${COMP_WORDS[i]}; break; fi
  done
  case $command in
@CASES@
    *) flags=''; first='' ;;
  esac
  flags+=' @COMMON@'
  if [[ $word == '=' ]]; then flag=$before; word=''
  elif [[ $before == '=' ]]; then flag=${COMP_WORDS[COMP_CWORD-2]}
  elif [[ $before == -* ]]; then flag=$before
  fi
  if [[ -n $flag ]]; then
    flag=${flag#-}; flag=${flag#-}; flag=${flag//-/_}
    case $flag in
@VALUES@
      @NUMBERS@) return ;;
      @BOOLEANS@) flag='' ;;
    esac
  fi
  if [[ -n $flag ]]; then
    compopt -o filenames 2> /dev/null
    local IFS=$'\n'
    COMPREPLY=($(compgen -f -- "$word"))
  elif [[ $word == -* ]]; then
    dashes=-
    if [[ $word == --* ]]; then dashes=--; fi
    COMPREPLY=($(compgen -P "$dashes" -W "$flags" -- "${word#"$dashes"}"))
  elif [[ -z $command ]]; then
    COMPREPLY=($(compgen -W "$commands" -- "$word"))
  elif [[ -n $first && $before == "$command" ]]; then
    COMPREPLY=($(compgen -W "$first" -- "$word"))
  else
    compopt -o filenames 2> /dev/null
    local IFS=$'\n'
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -F _@NAME@ @NAME@
"""

ZSH = """#compdef @NAME@
_@NAME@() {
  local curcontext=$curcontext context state state_descr line
  typeset -A opt_args
  local -a commands
  commands=(
@COMMANDS@
  )
  _arguments -C @COMMON@ '1: :->command' '*:: :->arguments' && return
  case $state in
    command) _describe command commands ;;
    arguments)
      case $words[1] in
@CASES@
      esac ;;
  esac
}
if [ "$funcstack[1]" = _@NAME@ ]; then _@NAME@ "$@"; else compdef _@NAME@ @NAME@; fi
"""


def bash(commands: Sequence[Command]) -> str:
    """Return the script for bash."""
    table = flag_table(common.FLAGS)
    cases = [
        f"    {command.name}) flags='{_names(command.flags)}'; first='{' '.join(_first_words(command))}' ;;"
        for command in commands
    ]
    values = [
        f'      {flag.name}) COMPREPLY=($(compgen -W "{" ".join(flag.choices)}" -- "$word")); return ;;'
        for flag in table.values()
        if flag.choices
    ]
    return _filled(
        BASH,
        {
            "COMMANDS": " ".join(command.name for command in commands),
            "CASES": "\n".join(cases),
            "COMMON": _names(common.FLAGS),
            "VALUES": "\n".join(values),
            "NUMBERS": "|".join(flag.name for flag in table.values() if flag.kind == "int32"),
            "BOOLEANS": "|".join(flag.name for flag in table.values() if flag.kind == "bool"),
        },
    )


def zsh(commands: Sequence[Command]) -> str:
    """Return the script for zsh."""

    def flag_words(flags: Iterable[Flag[Any]], help_of: Callable[[Flag[Any]], str]) -> str:
        return " ".join(_zsh_flag(flag, help_of(flag)) for flag in flags)

    shared = flag_words(common.FLAGS, Flag.help_with_default)
    cases = []
    for command in commands:
        first = " ".join(_first_words(command))
        words = f"'1: :({first})' '*: :_files'" if first else "'*: :_files'"
        own = flag_words(command.flags, command.help_of)
        cases.append(f"        {command.name}) _arguments {own} {shared} {words} ;;")
    return _filled(
        ZSH,
        {
            "COMMANDS": "\n".join(f"    {_quoted(f'{command.name}:{command.summary}')}" for command in commands),
            "CASES": "\n".join(cases),
            "COMMON": shared,
        },
    )


def fish(commands: Sequence[Command]) -> str:
    """Return the script for fish."""
    lines = []
    for command in commands:
        summary = _fish_quoted(command.summary)
        lines.append(f"complete -c {NAME} -n __fish_use_subcommand -f -a {command.name} -d {summary}")
        behind = f"-n '__fish_seen_subcommand_from {command.name}'"
        for flag in command.flags:
            lines.append(f"complete -c {NAME} {behind} {_fish_flag(flag, command.help_of(flag))}")
        if first := " ".join(_first_words(command)):
            lines.append(f"complete -c {NAME} {behind} -f -a {_fish_quoted(first)}")
    lines += [f"complete -c {NAME} {_fish_flag(flag, flag.help_with_default())}" for flag in common.FLAGS]
    return "\n".join(lines) + "\n"


SCRIPTS: dict[str, Script] = {"bash": bash, "zsh": zsh, "fish": fish}


def _names(flags: Iterable[Flag[Any]]) -> str:
    """Return the names, and of what is on unless it is said otherwise the name that says so."""
    return " ".join(f"no{flag.name}" if flag.default is True else flag.name for flag in flags)


def _first_words(command: Command) -> list[str]:
    return list(command.first_words()) if command.first_words is not None else []


def _filled(template: str, values: Mapping[str, str]) -> str:
    for name, value in {"NAME": NAME, **values}.items():
        template = template.replace(f"@{name}@", value)
    return template


def _zsh_flag(flag: Flag[Any], text: str) -> str:
    help = "".join(f"\\{letter}" if letter in "[]:\\" else letter for letter in text)
    name = f"--{'no' if flag.default is True else ''}{flag.name}"
    if flag.kind == "bool":
        return _quoted(f"{name}[{help}]")
    action = f"({' '.join(flag.choices)})" if flag.choices else "" if flag.kind == "int32" else "_files"
    return _quoted(f"{name}=[{help}]: :{action or ' '}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish_flag(flag: Flag[Any], text: str) -> str:
    words = [f"-l {'no' if flag.default is True else ''}{flag.name}", f"-d {_fish_quoted(text)}"]
    if flag.choices:
        words.append(f"-x -a {_fish_quoted(' '.join(flag.choices))}")
    elif flag.kind != "bool":
        words.append("-x" if flag.kind == "int32" else "-r")
    return " ".join(words)


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
