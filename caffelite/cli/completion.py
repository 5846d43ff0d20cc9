"""`caffelite completion`: what a shell needs to complete command lines when the tab key is pressed."""

from __future__ import annotations

from caffelite.cli.command import COMMANDS, Arguments, command
from caffelite.cli.completion_scripts import SCRIPTS
from caffelite.cli.streams import write_stdout
from caffelite.core.errors import UsageError
from caffelite.core.prototxt.suggest import any_of, did_you_mean


@command(
    "completion",
    "print what lets a shell complete commands and flags",
    flags=(),
    positionals="SHELL",
    first_words=lambda: SCRIPTS,
)
def completion(arguments: Arguments) -> None:
    """Print the script that lets SHELL (bash, zsh or fish) complete commands, flags, their values and files.

    For bash put the first line below into ~/.bashrc, for zsh the second into ~/.zshrc, behind compinit; the third is
    for fish, once.

      eval "$(caffelite completion bash)"
      eval "$(caffelite completion zsh)"
      caffelite completion fish > ~/.config/fish/completions/caffelite.fish
    """
    (shell,) = arguments.positionals
    if shell not in SCRIPTS:
        raise UsageError(f'there is no completion for "{shell}"{did_you_mean(shell, SCRIPTS)}; use {any_of(SCRIPTS)}')
    write_stdout(SCRIPTS[shell]([COMMANDS[name] for name in COMMANDS]).rstrip("\n"))
