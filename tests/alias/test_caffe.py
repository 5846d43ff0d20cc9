import subprocess
import sys

import pytest

PROCESS = """
import multiprocessing
import sys

import caffe


def work(queue):
    queue.put(caffe.Layer.__module__)


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    queue = context.Queue()
    process = context.Process(target=work, args=(queue,))
    process.start()
    process.join()
    print(process.exitcode or queue.get())
"""
PROGRAM = """
import os
import subprocess
import sys

import caffe

code = "import caffe.io; print(caffe.__name__, caffe.io.__name__)"
sys.exit(subprocess.call([sys.executable, "-c", code], cwd=os.path.dirname(sys.executable)))
"""


def run(code, folder, *words):
    (folder / "script.py").write_text(code)
    command = [sys.executable, "-m", "caffelite.as_caffe", "script.py", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize("how", ["spawn", "forkserver"])
def test_processes_that_import_anew_find_it(tmp_path, how):
    """Those of multiprocessing everywhere but on Linux, and there from Python 3.14 on."""
    assert run(PROCESS, tmp_path, how) == "caffelite.python_layer\n"


def test_programs_that_a_script_starts_find_it(tmp_path):
    assert run(PROGRAM, tmp_path) == "caffelite caffelite.io\n"
