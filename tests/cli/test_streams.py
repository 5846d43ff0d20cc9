import os
import subprocess
import sys

import pytest

from caffelite.cli.streams import OutputError, flush_stdout, require_stderr, write_stderr, write_stdout

FULL = "/dev/full"
NO_SPACE = "cannot write to standard output: No space left on device"

pytestmark = pytest.mark.skipif(not os.path.exists(FULL), reason=f"there is no {FULL}")


@pytest.fixture
def shell(folder):
    """Run `caffelite WORDS` in a shell, which may send its output elsewhere."""

    def run(words, **variables):
        command = f"{sys.executable} -m caffelite {words}"
        return subprocess.run(
            command, shell=True, capture_output=True, text=True, timeout=100, env={**os.environ, **variables}
        )

    return run


@pytest.mark.parametrize("words", ["--help", "--version", "dataset", "dataset digits"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_on_a_full_disk_is_an_error(shell, words, unbuffered):
    done = shell(f"{words} >{FULL}", PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"caffelite: error: {NO_SPACE}"
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def test_closed_output_is_an_error_where_something_is_written(shell):
    done = shell("--version >&-")
    assert (done.returncode, done.stderr) == (1, "caffelite: error: cannot write to standard output: it is closed\n")
    assert shell("device_query >&-").returncode == 0


@pytest.mark.parametrize("where", [f">{FULL}", ">&-", f"2>{FULL}", "2>&-", f">{FULL} 2>&1"])
def test_training_goes_on(shell, folder, where):
    done = shell(f"train --solver=solver.prototxt {where}")
    assert done.returncode == 0, done.stderr
    assert (folder / "tiny_iter_4.caffemodel").exists()
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("where", [f"2>{FULL}", "2>&-"])
def test_a_result_that_was_lost_is_a_failure(shell, folder, where):
    command = "time --model=net.prototxt --iterations=1"
    assert shell(f"{command} {where}").returncode == 1
    assert shell(f"{command} --log_dir=. {where}").returncode == 0  # it stands in the files
    assert "Average Forward pass" in (folder / "caffelite.INFO").read_text()


def test_what_others_print_is_an_error_at_the_end(shell, folder):
    layer = "import caffe\nclass Loud(caffe.Layer):\n    def setup(self, bottom, top): print('hello')\n"
    layer += "    def reshape(self, bottom, top): top[0].reshape(1)\n    def forward(self, bottom, top): pass\n"
    (folder / "loud.py").write_text(layer)
    net = 'layer { name: "loud" type: "Python" top: "x" python_param { module: "loud" layer: "Loud" } }\n'
    (folder / "net.prototxt").write_text(net + (folder / "net.prototxt").read_text())
    done = shell(f"train --solver=solver.prototxt >{FULL}", PYTHONUNBUFFERED="")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"caffelite: error: {NO_SPACE}"
    assert (folder / "tiny_iter_4.caffemodel").exists()


def test_in_one_process(monkeypatch, capfd):
    write_stdout("one")
    write_stderr("two")
    flush_stdout()
    require_stderr()
    assert capfd.readouterr() == ("one\n", "two\n")
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    write_stderr("two")
    flush_stdout()
    with pytest.raises(OutputError, match="standard output: it is closed"):
        write_stdout("one")
    with pytest.raises(OutputError, match="standard error is closed"):
        require_stderr()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_names_that_the_terminal_has_no_letters_for(shell, encoding):
    done = shell("example lenet_digits $(printf 'caf\\351')", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert "caf\\udce9/solvers/lenet_digits.prototxt" in done.stdout.splitlines()
