"""A second judge: OpenCV 4.14, the last with a reader of Caffe nets, in an environment of its own."""

import os
import subprocess
import venv
from pathlib import Path

import pytest

OPENCV = "opencv-python-headless==4.14.*"


@pytest.fixture(scope="session")
def opencv4(tmp_path_factory):
    """A Python that has it; OPENCV4 in the environment may name one."""
    if given := os.environ.get("OPENCV4"):
        return Path(given)
    folder = tmp_path_factory.mktemp("opencv4")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    done = subprocess.run([python, "-m", "pip", "install", "-q", OPENCV], capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"pip cannot install {OPENCV}, so it judged nothing:\n{done.stderr}", pytrace=False)
    return python


@pytest.fixture(scope="session")
def judged(opencv4):
    """A function that lets OpenCV 4.14 run the nets in a folder; see judge.py."""

    def judge(folder):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        words = [opencv4, Path(__file__).with_name("judge.py"), folder]
        done = subprocess.run(words, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("4."), done.stdout

    return judge
