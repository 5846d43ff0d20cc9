import re
import subprocess
import sys

import pytest

import caffelite

SCRIPT = """
import caffelite
from google.protobuf import text_format
from caffelite.proto.caffe_pb2 import SolverParameter
caffelite.init_log(LEVEL)
caffelite.log("mine")
solver = caffelite.get_solver(text_format.Parse(
    'base_lr: 1 lr_policy: "fixed" display: 1 net_param { layer { name: "x" type: "DummyData" top: "x" '
    'dummy_data_param { shape { dim: 1 } } } }', SolverParameter()))
solver.step(2)
"""


def log_of(level):
    done = subprocess.run([sys.executable, "-c", SCRIPT.replace("LEVEL", level)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def test_a_step_shows_the_log_once():
    lines = log_of("0")
    assert re.fullmatch(r"I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ [\w.]+:\d+\] mine", lines[0])
    assert sum("Iteration 1 (" in line or "Iteration 1," in line for line in lines) >= 1
    assert sum(line.endswith("] mine") for line in lines) == 1


def test_a_higher_level_leaves_out_information():
    assert not [line for line in log_of("1") if line.startswith("I")]


def test_a_level_that_is_none():
    with pytest.raises(ValueError, match="level is 4; use 0 for information, 1 for warnings, 2 for errors or 3"):
        caffelite.init_log(4)


def test_without_stderr_only_errors_are_shown():
    assert log_of("0, False") == []
    assert len(log_of("0, True")) > 2


def test_log_takes_bytes_too_and_nothing_that_is_no_text(caplog):
    with caplog.at_level("INFO", "caffelite"):
        caffelite.log(b"as bytes")
    assert caplog.messages == ["as bytes"]
    with pytest.raises(TypeError, match="log takes a text, not 3"):
        caffelite.log(3)


def test_a_second_init_log_is_refused():
    code = "import caffelite\ncaffelite.init_log()\ntry: caffelite.init_log(1)\nexcept RuntimeError as err: print(err)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("init_log was called before in this process; to change the level write ")
