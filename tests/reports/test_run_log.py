from caffelite.core import events
from caffelite.core.events import Output
from caffelite.reports import run_log
from caffelite.reports.run_log import RunLog

OUTPUTS = (Output("accuracy", 0.5, 0), Output("loss", 1.5, 1))


def test_what_a_solver_tells():
    run = RunLog()
    run(events.SolvingStarted(3, "net", "fixed", 5))
    run(events.NetTestFinished(3, 0, OUTPUTS, None, 0.1))
    run(events.IterationDisplayed(3, 2.0, OUTPUTS[:1], 0.1, 1, 1))
    run(events.IterationFinished(4, 9.0, 2.0, 0.1))
    run(events.SnapshotWritten(4, "a.caffemodel", "a.solverstate", 0.1))
    run(events.IterationFinished(5, 9.0, 1.5, 0.05))
    assert (run.first_iter, run.iter, run.max_iter, run.loss, run.status) == (3, 5, 5, 1.5, "running")
    assert run.snapshots == ["a.caffemodel"]
    log = run.training_log()
    assert [(row.iter, row.loss, row.lr, row.outputs) for row in log.train] == [
        (3, 2.0, 0.1, {}),
        (3, None, None, {"accuracy": 0.5}),
        (4, 1.5, 0.05, {}),
    ]
    assert [(row.iter, row.outputs) for row in log.tests[0]] == [(3, {"accuracy": 0.5, "loss": 1.5})]
    assert log.loss_names == {"loss"}
    run(events.OptimizationStopped(5))
    assert run.status == "stopped"
    run(events.OptimizationDone(5))
    assert run.status == "done"


def test_a_long_training_stays_small_and_even_and_ends_with_its_last_iteration(monkeypatch):
    monkeypatch.setattr(run_log, "MOST_ROWS", 8)
    run = RunLog()
    for done in range(1, 31):
        run(events.IterationFinished(done, 1.0, 1.0, 0.1))
    assert [row.iter for row in run.training_log().train] == [0, 4, 8, 12, 16, 20, 24, 28, 29]


def test_nothing_yet():
    assert RunLog().training_log().train == []
