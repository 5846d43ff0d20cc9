"""Ctrl-C while the package is loaded for the command `caffelite`: it ends the process, without Python's traceback.

That takes a quarter of a second, before any part of the command can run. Programs that import caffelite keep Python's
KeyboardInterrupt.
"""

import os
import signal
import sys

from caffelite.working_directory import module_of_command_line


def is_command(argv: list[str], orig_argv: list[str]) -> bool:
    """Whether the process was started as `caffelite` or `python -m caffelite`; the arguments are those of sys."""
    return module_of_command_line(argv, orig_argv) == "caffelite" or os.path.basename("".join(argv[:1])) == "caffelite"


def _begin() -> bool:
    """Let SIGINT end the process, as it does by default, if it is the command's; return whether it does now."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or not is_command(sys.argv, sys.orig_argv):
        return False
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return True


_begun = _begin()


def end() -> None:
    """Let SIGINT raise KeyboardInterrupt again: the command takes it from here."""
    if _begun:
        signal.signal(signal.SIGINT, signal.default_int_handler)
