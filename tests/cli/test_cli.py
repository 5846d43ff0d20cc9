import os
import re
import subprocess
import sys
from importlib.metadata import version

import pytest

from caffelite.cli import command
from caffelite.cli.command import COMMANDS

# what a command line that only shows something must not load
HEAVY = ("numba", "numpy", "rich", "lmdb", "cv2")


@pytest.mark.parametrize("word", ["--version", "version"])
def test_version(caffelite, word):
    result = caffelite(word)
    assert (result.status, result.out) == (0, f"caffelite version {version('caffelite')}\n")


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_lists_the_commands(caffelite, word):
    result = caffelite(word)
    assert result.status == 0  # gflags ends with 1, but it was asked for
    for name in ("device_query", "test", "time", "train"):
        assert f"\n  {name} " in result.out
    assert result.err == ""


@pytest.mark.parametrize("words", [("train", "--help"), ("--helpshort", "train"), ("train", "-h"), ("help", "train")])
def test_help_of_a_command_lists_its_flags(caffelite, words):
    result = caffelite(*words)
    assert (result.status, result.err) == (0, "")
    for flag in COMMANDS["train"].flags:
        assert f"\n  --{flag.name}" in result.out
    assert max(map(len, result.out.splitlines())) <= 100


def test_without_a_command_there_are_usage_and_an_error(caffelite):
    result = caffelite()
    assert result.status == 1
    assert result.out == caffelite("help").out
    assert result.error.startswith("caffelite: error: no command is given; use ")
    assert " device_query, " in result.error


@pytest.mark.parametrize(
    ("name", "iterations", "weights"),
    [
        ("train", "in place of the file's max_iter", "finetune"),
        ("test", "batches to score, of the net's batch_size each. Default: 50.", "weights to score, one"),
        ("time", "run forward and backward, for the average times. Default: 50.", None),
    ],
)
def test_help_says_what_iterations_and_weights_are_in_a_command(caffelite, name, iterations, weights):
    words = {line.split()[0]: line for line in entries(caffelite("help", name).out)}
    assert iterations in words["--iterations=N"]
    assert ("Default" in words["--iterations=N"]) == (name != "train")  # which ends with max_iter without it
    assert words.get("--weights=FILE") is weights or weights in words["--weights=FILE"]


def entries(text):
    """Give each flag's entry in one line."""
    return [line for line in re.sub(r"\n {10,}", " ", text).splitlines() if line.startswith("  --")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], 'caffelite: error: Unknown action: trian; did you mean "train"? (known: '),
        (["help", "tset"], 'caffelite: error: Unknown action: tset; did you mean "test"? (known: '),
        (["device_query", "x"], 'caffelite: error: device_query has no use for "x"; write caffelite device_query <fl'),
        (["train", "a", "b"], 'caffelite: error: train has no use for "b"; write caffelite train [FILE] <flags>'),
        (["train", "a", "--solver=b"], 'caffelite: error: train has "a" and --solver=b, which mean the same; give one'),
        (["train"], "caffelite: error: Need a solver definition to train; give --solver=FILE"),
        (["test"], "caffelite: error: Need a model definition to score; give --model=FILE"),
        (["test", "--model=net.prototxt"], "caffelite: error: Need model weights to score; give --weights=FILE"),
        (["time"], "caffelite: error: Need a model definition to time; give --model=FILE"),
        (["time", "--model=net.prototxt", "--iterations=0"], "caffelite: error: --iterations is 0; use 1 or more"),
        (["train", "--sovler=x"], "ERROR: unknown command line flag 'sovler'; did you mean \"solver\"?"),
        (["--solver"], "ERROR: flag '-solver' is missing its argument; flag description: "),
        (["time", "--iterations=abc"], "ERROR: illegal value 'abc' specified for int32 flag 'iterations'"),
        (["time", "--phase=BOTH"], "ERROR: illegal value 'BOTH' specified for string flag 'phase'; use TRAIN or TEST"),
        (["train", "--sigint_effect=halt"], "ERROR: illegal value 'halt' specified for string flag 'sigint_effect'"),
        (
            ["train", "--solver=solver.prototxt", "--snapshot=a.solverstate", "--weights=b.caffemodel"],
            "caffelite: error: Give a snapshot to resume training or weights to finetune but not both.",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_1(caffelite, words, message):
    result = caffelite(*words)
    assert result.status == 1
    assert result.out == ""
    assert result.error.startswith(message)


def test_a_flag_of_another_command_is_warned_of(caffelite):
    result = caffelite("device_query", "--weights=x")
    assert result.status == 0
    assert "--weights does nothing in device_query" in result.texts


def failing_with(monkeypatch, error):
    def run(arguments):
        raise error

    monkeypatch.setitem(COMMANDS._members, "fail", command.Command("fail", "fail", (), "", run))


@pytest.mark.parametrize(
    ("error", "status", "err"),
    [
        (KeyboardInterrupt(), 130, "caffelite: stopped by Ctrl-C\n"),
        (MemoryError(), 1, "caffelite: error: out of memory: a smaller batch_size, num_output or input may fit\n"),
    ],
)
def test_what_ends_a_command(caffelite, monkeypatch, error, status, err):
    failing_with(monkeypatch, error)
    result = caffelite("fail")
    assert (result.status, result.err) == (status, err)


def test_a_bug_of_ours_comes_through(caffelite, monkeypatch):
    failing_with(monkeypatch, ZeroDivisionError("division by zero"))
    with pytest.raises(ZeroDivisionError):
        caffelite("fail")


def test_the_program_shows_help_without_loading_numba(folder):
    code = (
        f"import sys; from caffelite.cli import main; main(['--help']); print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.endswith("\n[]\n"), done


def test_the_program_and_the_module_are_the_same(program):
    as_program = program("--version")
    as_module = subprocess.run(
        [sys.executable, "-m", "caffelite", "--version"], capture_output=True, text=True, timeout=60
    )
    assert (as_program.status, as_program.out) == (as_module.returncode, as_module.stdout)


def test_a_closed_pipe_ends_quietly(program):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "caffelite", "--help"], stdout=closed, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert (done.returncode, done.stderr) == (141, "")


def test_a_file_without_a_command_is_told_which_there_are(caffelite):
    done = caffelite("solvers/lenet.prototxt")
    assert (done.status, done.error) == (
        1,
        "caffelite: error: solvers/lenet.prototxt is a file, and the command is missing: write caffelite train "
        "solvers/lenet.prototxt for a solver, or caffelite time solvers/lenet.prototxt for a net",
    )
