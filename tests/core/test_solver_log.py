import logging
import math
from pathlib import Path

import pytest

from caffelite.core import events
from caffelite.core.errors import DataError
from caffelite.core.solver.log import SolverLog
from caffelite.core.solver_log import parse_lines, read_log, read_logs

# As Caffe 1.0 writes it, and below as older and newer versions do.
LOG = """I1231 23:59:58.500000  7 solver.cpp:273] Solving LeNet
I1231 23:59:59.000000  7 solver.cpp:330] Iteration 0, Testing net (#0)
I1231 23:59:59.250000  7 solver.cpp:397]     Test net output #0: accuracy = 0.125
I1231 23:59:59.250001  7 solver.cpp:397]     Test net output #1: loss = 2.5 (* 0.5 = 1.25 loss)
I0101 00:00:00.500000  7 solver.cpp:218] Iteration 0 (0 iter/s, 0.1s/100 iters), loss = 2.25
I0101 00:00:00.500001  7 solver.cpp:237]     Train net output #0: loss = 2.25 (* 1 = 2.25 loss)
I0101 00:00:00.500002  7 sgd_solver.cpp:105] Iteration 0, lr = 0.01
a line of somebody else's: Iteration of theirs
I0101 00:00:03.500000  7 solver.cpp:330] Iteration 100, Testing net (#1)
I0101 00:00:03.600000  7 solver.cpp:397]     Test net output #0: prob = 0.25
I0101 00:00:03.600000  7 solver.cpp:397]     Test net output #1: prob = 0.75
I0101 00:00:04.500000  7 solver.cpp:311] Iteration 100, loss = 1e-05
"""


def test_every_figure_of_the_log():
    log = parse_lines(LOG.splitlines())
    first, last = log.train
    assert (first.iter, first.seconds, first.lr, first.loss, first.outputs) == (0, 2.0, 0.01, 2.25, {"loss": 2.25})
    assert (last.iter, last.seconds, last.lr, last.loss, last.outputs) == (100, 6.0, None, 1e-05, {})
    (test,), (other,) = log.tests[0], log.tests[1]
    assert (test.iter, test.outputs) == (0, {"accuracy": 0.125, "loss": 2.5})
    assert (other.iter, other.outputs) == (100, {"prob": 0.25, "prob[1]": 0.75})
    assert log.loss_names == {"loss"}


@pytest.mark.parametrize("text", ["nan", "-nan", "-nan(ind)", "1.#QNAN"])
def test_what_is_no_number(text):
    (row,) = parse_lines([f"Iteration 7, loss = {text}"]).train
    assert math.isnan(row.loss)


def test_a_date_of_eight_digits_and_a_clock_over_days():
    lines = [f"I202502{day} 10:00:00.0 1 a.cpp:1] Iteration {day}, loss = 1" for day in (27, 28)]
    assert [row.seconds for row in parse_lines(lines).train] == [0, 86400]


def test_reads_what_our_solver_writes(caplog):
    log = SolverLog()
    with caplog.at_level(logging.INFO, "caffelite"):
        outputs = (events.Output("loss3/top-1", 0.5, 0), events.Output("loss3/loss3", 1.5, 0.25))
        log(events.NetTestStarted(5, 0, 1))
        log(events.NetTestFinished(5, 0, outputs, 3.5, 0.1))
        log(events.IterationDisplayed(6, 0.75, outputs, 1, 1, 1))
        log(events.LearningRateDisplayed(6, 1e-6))
    read = parse_lines(record.getMessage() for record in caplog.records)
    (test,), (row,) = read.tests[0], read.train
    assert (test.iter, test.loss, test.outputs) == (5, 3.5, {"loss3/top-1": 0.5, "loss3/loss3": 1.5})
    assert (row.iter, row.loss, row.lr, row.outputs) == (6, 0.75, 1e-6, test.outputs)
    assert read.loss_names == {"loss3/loss3"}


def test_a_file_without_a_training_is_refused(tmp_path):
    (tmp_path / "x.log").write_bytes(b"\xff nothing\n")
    with pytest.raises(DataError, match='x.log: no line "Iteration N, loss'):
        read_log(tmp_path / "x.log")
    with pytest.raises(DataError, match="File not found"):
        read_log(tmp_path / "y.log")


def test_a_log_of_caffes_own(golden_folder):
    log = read_log(golden_folder / "cli" / "train.log")
    assert (log.train[0].iter, log.train[0].lr, log.train[0].loss) == (0, 0.1, 1.09861)
    assert log.tests[0][0].outputs == {"accuracy": 0.0, "loss": 1.09861}


def test_names_of_several_logs(tmp_path):
    paths = [str(tmp_path / name) for name in ("a.log", "b.txt", "c/a.log")]
    (tmp_path / "c").mkdir()
    for path in paths:
        Path(path).write_text("I1128 10:00:00.000000 1 solver.cpp:1] Iteration 0, loss = 2\n")
    assert list(read_logs(paths)) == [paths[0], "b", paths[2]]
