import signal
import subprocess
import sys

import pytest

from caffelite.early_interrupt import is_command

# Ctrl-C comes while the messages of protobuf are loaded.
EARLY = """
import signal, sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == "caffelite.proto":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
sys.argv = [sys.argv[1]]
try:
    import caffelite
except KeyboardInterrupt:
    print("KeyboardInterrupt")
"""
AFTERWARDS = "import signal, sys; sys.argv = ['caffelite']; import caffelite; print(signal.getsignal(signal.SIGINT))"


def python(*words, **options):
    return subprocess.run([sys.executable, "-c", *words], capture_output=True, text=True, **options)


def test_an_interrupt_while_the_package_is_loaded_ends_the_command_without_a_traceback():
    done = python(EARLY, "/usr/bin/caffelite")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_other_programs_keep_the_exception():
    done = python(EARLY, "/home/me/train.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, "KeyboardInterrupt\n", "")


def test_the_handler_before_comes_back():
    assert "default_int_handler" in python(AFTERWARDS).stdout


def test_a_program_that_ignores_interrupts_goes_on_to():
    ignoring = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    assert python(ignoring + AFTERWARDS).stdout == f"{signal.SIG_IGN}\n"


@pytest.mark.parametrize(
    ("argv", "orig_argv", "expected"),
    [
        (["/venv/bin/caffelite", "train"], ["/venv/bin/python", "/venv/bin/caffelite", "train"], True),
        (["-m", "train"], ["python", "-m", "caffelite", "train"], True),
        (["-m", "train.py"], ["python", "-m", "caffelite.as_caffe", "train.py"], False),
        (["train.py", "caffelite"], ["python", "train.py", "caffelite"], False),
        ([], ["python"], False),
    ],
)
def test_is_command(argv, orig_argv, expected):
    assert is_command(argv, orig_argv) == expected
