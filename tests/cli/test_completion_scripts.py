import re
import shlex
import shutil
import subprocess

import pytest

from caffelite.cli import common
from caffelite.cli.command import COMMANDS, flag_table, load_commands
from caffelite.cli.completion_scripts import SCRIPTS

load_commands()


def script(shell):
    return SCRIPTS[shell]([COMMANDS[name] for name in COMMANDS])


@pytest.fixture
def bash(tmp_path):
    """Return what bash offers behind words, of which "=" is one: bash("train --so")."""
    (tmp_path / "script").write_text(script("bash"))
    (tmp_path / "net.prototxt").write_text("")
    (tmp_path / "a folder").mkdir()

    def complete(line):
        words = ["caffelite", *shlex.split(line)]
        program = (
            'source ./script; COMP_CWORD=$(($# - 1)); COMP_WORDS=("$@"); _caffelite; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(
            ["bash", "-uc", program, "x", *words], capture_output=True, text=True, check=True, cwd=tmp_path
        )
        assert done.stderr == ""
        return done.stdout.split("\n")[:-1]

    return complete


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("tra", ["train"]),
        ("train --so", ["--solver"]),
        ("train -so", ["-solver"]),
        ("train --on_nan ''", ["stop", "ignore"]),
        ("train --on_nan = s", ["stop"]),
        ("train --on-nan s", ["stop"]),
        ("train --on_nan =", ["stop", "ignore"]),
        ("train --solver n", ["net.prototxt"]),
        ("train --solver = n", ["net.prototxt"]),
        ("train n", ["net.prototxt"]),
        ("train --quiet n", ["net.prototxt"]),
        ("train --iterations ''", [""]),
        ("train 'a f'", ["a folder"]),
        ("--quiet tra", ["train"]),
        ("train --noal", ["--noalsologtostderr"]),
        ("dataset mn", ["mnist", "mnist_siamese"]),
        ("upgrade ''", ["net", "solver", "weights"]),
        ("upgrade net n", ["net.prototxt"]),
        ("help tra", ["train"]),
        ("version --so", [""]),
    ],
)
def test_bash(bash, line, offered):
    assert bash(line) == offered


@pytest.mark.parametrize("shell", SCRIPTS)
def test_every_command_and_flag_is_in_each_script(shell):
    text = script(shell)
    for name in COMMANDS:
        assert re.search(rf"\b{re.escape(name)}\b", text), name
    for name, flag in flag_table(common.FLAGS).items():
        written = f"no{name}" if flag.default is True else name
        assert re.search(rf"(^|[ '-]){written}\b", text), name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_can_read_it(shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    (tmp_path / "script").write_text(script(shell))
    done = subprocess.run([shell, "-n", "script"], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("tra", ["train"]),
        ("train --so", ["--solver"]),
        ("train --on_nan=", ["--on_nan=ignore", "--on_nan=stop"]),
        ("show f", ["filters"]),
        ("train n", ["net.prototxt"]),
    ],
)
def test_fish(tmp_path, line, offered):
    (tmp_path / "script").write_text(script("fish"))
    (tmp_path / "net.prototxt").write_text("")
    command = ["fish", "--no-config", "-c", f"source script; complete -C 'caffelite {line}'"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert [row.partition("\t")[0] for row in done.stdout.splitlines()] == offered
