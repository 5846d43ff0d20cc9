"""The command `caffelite`: Caffe's train, test, time and device_query, with its flags, log lines and exit statuses."""

import gc
import logging
import sys
from collections.abc import Callable, Sequence

from caffelite.cli import common, glog, help, program, streams, waiting
from caffelite.cli.command import COMMANDS, Arguments, Command, flag_table, load_commands
from caffelite.cli.command_line import parse
from caffelite.cli.flags import FlagError
from caffelite.cli.options import ALLOW_UNKNOWN_FIELDS, LAYERS
from caffelite.cli.signals import INTERRUPTED, ended_by_interrupts, is_interrupted
from caffelite.core.errors import CaffeliteError, UsageError
from caffelite.core.files import reason_of
from caffelite.core.prototxt.suggest import any_of
from caffelite.core.prototxt.unknown_fields import allowing_unknown_fields

LOGGER = logging.getLogger("caffelite")
FAILED = 1
NOBODY_READS = 141  # what shells show for a program whose pipe was closed


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (without the program's name) and return the exit status: 0, or 1 for what cannot work.

    What the system refuses (OSError) is said with its reason and the file. Other exceptions that are not the user's
    affair are bugs and come through.
    """
    if argv is None:
        with ended_by_interrupts(glog.say):
            status = _status_of(lambda: _run(sys.argv[1:], program.of_this_process()))
        if "onnxsim" not in sys.modules:  # which on stderr calls what then is left "leaked"
            gc.freeze()  # Python would look through numba's objects once more before the program ends: 0.2 s and more
        return status
    hook = sys.unraisablehook
    try:
        return _status_of(lambda: _run(argv, (program.NAME,)))
    finally:
        sys.unraisablehook = hook


def _status_of(run: Callable[[], int]) -> int:
    """Return the exit status of a run, of which errors are said."""
    status = FAILED
    try:
        ended = run()
        streams.flush_stdout()
        status = ended
    except FlagError as err:
        streams.write_stderr(f"ERROR: {err}")
    except CaffeliteError as err:
        streams.write_stderr(f"caffelite: error: {err}")
    except BrokenPipeError:
        streams.write_nowhere(sys.stdout)
        return NOBODY_READS
    except OSError as err:
        streams.write_stderr(f"caffelite: error: {reason_of(err)}")
    except (KeyboardInterrupt, Exception) as err:
        if not isinstance(err, KeyboardInterrupt) and not is_interrupted():
            raise
        streams.write_stderr("caffelite: stopped by Ctrl-C")
        return INTERRUPTED
    if status and program.working_directory_is_lost():
        streams.write_stderr("caffelite: the working directory was deleted; go to another one")
    return status


def _run(words: Sequence[str], typed: Sequence[str]) -> int:
    load_commands()
    values, positionals, notes = parse(words, flag_table(common.FLAGS))
    arguments = Arguments(values, positionals[1:], typed)
    if arguments[common.VERSION]:
        return COMMANDS["version"].run(arguments) or 0
    command = _command_of(positionals[0]) if positionals else None
    if arguments[common.HELP] or arguments[common.HELPSHORT] or arguments[common.H]:
        streams.write_stdout(help.of_command(command) if command else help.overview())
        return 0
    if command is None:
        streams.write_stdout(help.overview())
        raise UsageError(f"no command is given; use {any_of(COMMANDS)}")
    command.check_positionals(arguments.positionals)
    arguments = command.with_file(arguments)
    program.check_environment()
    with glog.installed(arguments):
        for note in notes:
            LOGGER.warning("%s", note)
        _warn_of_unused(command, arguments)
        with waiting.shown(command.name):
            return _carry_out(command, arguments)


def _command_of(name: str) -> Command:
    if name.endswith(".prototxt"):
        raise UsageError(
            f"{name} is a file, and the command is missing: write caffelite train {name} for a solver, or caffelite "
            f"time {name} for a net"
        )
    return COMMANDS[name]


def _carry_out(command: Command, arguments: Arguments) -> int:
    """Run the command with its errors logged, so that they stand in log files too."""
    try:
        if LAYERS in command.flags:
            _load_layers(arguments)
        with allowing_unknown_fields(arguments[ALLOW_UNKNOWN_FIELDS]):
            status = command.run(arguments) or 0
        if command.result_is_log:
            glog.require_log()
        return status
    except CaffeliteError as err:
        LOGGER.critical("%s", err)
    except MemoryError as err:
        LOGGER.critical("out of memory: %s", str(err) or "a smaller batch_size, num_output or input may fit")
    return FAILED


def _load_layers(arguments: Arguments) -> None:
    """Register the layer types of the user's own, before any prototxt is read."""
    from caffelite.core.layer_files import load_layers, load_packages

    load_packages()
    load_layers(filter(None, arguments[LAYERS].split(",")))


def _warn_of_unused(command: Command, arguments: Arguments) -> None:
    used = {*common.FLAGS, *command.flags}
    for flag in arguments.values:
        if flag not in used:
            LOGGER.warning("--%s does nothing in %s", flag.name, command.name)
