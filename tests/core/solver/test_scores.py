import logging
import math

import numpy as np
import pytest

from caffelite.core.errors import SolverError, UnknownNameError
from caffelite.core.events import Action, BestSnapshotWritten, EarlyStopped, Output, RateLowered
from caffelite.core.solver.scores import Score, Scores
from caffelite.core.weights.formats import format_of
from caffelite.proto.caffe_pb2 import LARGER, SMALLER, EarlyStoppingParameter, LrPlateauParameter

# 30 scores, and the tests at which PyTorch 2.13's ReduceLROnPlateau(threshold_mode="abs") lowers the rate for them.
VALUES = [0.94, 0.88, 0.74, 0.71, 0.66, 0.47, 0.41, math.nan, 0.4, 0.36, 0.52, 0.37, 0.44, 0.33, 0.36, 0.22, 0.33, 0.37]
VALUES += [0.28, 0.32, 0.29, 0.14, 0.29, 0.25, 0.17, 0.1, 0.29, 0.19, 0.24, 0.28]


@pytest.mark.parametrize(
    ("better", "patience", "min_change", "cooldown", "expected"),
    [
        (SMALLER, 2, 0, 0, [11, 17, 19, 23, 27, 29]),  # PyTorch's patience is one less
        (SMALLER, 3, 0.05, 2, [9, 18, 24, 29]),
        (LARGER, 1, 0.02, 3, [1, 5, 9, 13, 17, 21, 25, 29]),
    ],
)
def test_the_rate_is_lowered_when_pytorch_lowers_it(better, patience, min_change, cooldown, expected):
    param = LrPlateauParameter(output="x", patience=patience, min_change=min_change, cooldown=cooldown)
    score, lowered = Score("lr_plateau", param, better), []
    for iteration, value in enumerate(VALUES):
        score.take(iteration, value)
        if score.waited_enough:
            lowered.append(iteration)
            score.wait_again()
    assert lowered == expected


def test_what_is_better():
    score = Score("early_stopping", EarlyStoppingParameter(output="x", patience=9, min_change=0.5), LARGER)
    taken = [score.take(i, value) for i, value in enumerate([math.nan, -math.inf, 1, 1.5, 1.75, math.inf, 2.5])]
    assert taken == [False, False, True, False, True, False, True]
    assert (score.best, score.best_iter, score.waited) == (2.5, 6, 0)
    assert not score.take(6, 9.0)  # the same test made again
    assert (score.best, score.waited) == (2.5, 0)


def test_what_float32_rounds_is_no_change():
    score = Score("early_stopping", EarlyStoppingParameter(output="x", patience=9), SMALLER)
    third = float(np.float32(1 / 3))
    assert [score.take(i, v) for i, v in enumerate([third, np.nextafter(np.float32(third), 0), 0.33333])] == [
        True,
        False,
        True,
    ]


def test_states_are_taken_up_only_for_the_same_output(caplog):
    param = EarlyStoppingParameter(output="x", patience=3)
    score = Score("early_stopping", param, SMALLER)
    for iteration, value in enumerate([0.5, 0.25, 0.75]):
        score.take(10 * iteration, value)
    again = Score("early_stopping", param, SMALLER)
    again.restore([score.state()], "a.solverstate")
    assert (again.best, again.best_iter, again.waited, again.tested_iter) == (0.25, 10, 1, 20)
    param.output = "y"
    other = Score("early_stopping", param, SMALLER)
    other.restore([score.state()], "a.solverstate")
    assert (other.best, other.best_iter, other.waited, other.tested_iter) == (None, 0, 0, -1)
    [record] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "early_stopping looked at x of test net 0 there; it begins anew with y of test net 0" in record.message
    again.restore([], "of_caffe.solverstate")
    assert (again.best, again.tested_iter) == (None, -1)


def test_an_output_of_several_numbers_in_a_later_test_is_refused():
    score = Score("early_stopping", EarlyStoppingParameter(output="x", patience=3), SMALLER)
    with pytest.raises(SolverError, match=r"early_stopping\.output: x of test net 0 has 2 numbers now"):
        Scores([score]).take(0, {0: (Output("x", 1, 0), Output("x", 2, 0))})


TESTED = 'base_lr: 0.1 lr_policy: "fixed" test_iter: 1 test_interval: 2 random_seed: 3 '
SOFTMAX = """
layer { name: "data" type: "DummyData" top: "x" top: "t" dummy_data_param {
    shape { dim: 4 dim: 5 } shape { dim: 4 } data_filler { type: "gaussian" std: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 3 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "y" bottom: "t" top: "loss" }
layer { name: "acc" type: "Accuracy" bottom: "y" bottom: "t" top: "right" top: "by_class" include { phase: TEST } }
layer { name: "sum" type: "Reduction" bottom: "x" top: "sum" }
"""


def stopping(solvers, fields, net=SOFTMAX):
    return solvers.of(f"{TESTED} early_stopping {{ patience: 1 {fields} }}", net)


def test_what_is_better_is_guessed_only_where_it_is_certain(solvers):
    def better(fields, net=SOFTMAX):
        return stopping(solvers, fields, net).scores.states()[0].better

    assert better('output: "right"') == LARGER
    assert better('output: "loss"') == SMALLER
    assert better('output: "loss"', SOFTMAX.replace('"loss" }', '"loss" loss_weight: 0 }')) == SMALLER
    assert better('output: "loss" better: LARGER') == LARGER
    assert better('output: "sum"', SOFTMAX.replace('top: "sum"', 'top: "sum" loss_weight: 1')) == SMALLER
    for net, name in ((SOFTMAX, "sum"), (SOFTMAX.replace('"loss" }', '"loss" loss_weight: -1 }'), "loss")):
        with pytest.raises(
            SolverError, match=r"early_stopping\.better is missing; .* write better: LARGER or better: S"
        ):
            stopping(solvers, f'output: "{name}"', net)


def test_outputs_that_cannot_be_watched_are_refused(solvers):
    with pytest.raises(UnknownNameError, match='output is "rigth", which is no output of test net 0; did you mean "ri'):
        stopping(solvers, 'output: "rigth"')
    with pytest.raises(UnknownNameError, match='"zz", which is no output of test net 0; use by_class, loss, right or'):
        stopping(solvers, 'output: "zz"')
    with pytest.raises(SolverError, match=r'output is "by_class"; it has 3 numbers; use an output that has one'):
        stopping(solvers, 'output: "by_class"')
    with pytest.raises(SolverError, match="early_stopping is given; only one solver tests"):
        solvers.of(TESTED + 'early_stopping { output: "loss" patience: 1 }', solver_count=2)


DECIDING = """base_lr: 0.01 momentum: 0.9 lr_policy: "plateau" gamma: 0.5 test_iter: 2 test_iter: 1 test_interval: 2
lr_plateau { output: "lstm_loss" test_net: 1 patience: 2 cooldown: 1 } lr_warmup { iterations: 5 start: 0.25 }
early_stopping { output: "loss" test_net: 0 patience: 7 } best_snapshot { output: "loss" test_net: 0 }
snapshot: 3 iter_size: 2 random_seed: 3 max_iter: 60 """


def told(solver):
    seen = []
    solver.events.add(
        lambda event: isinstance(event, BestSnapshotWritten | EarlyStopped | RateLowered) and seen.append(event)
    )
    return seen


def figures(events):
    return [(type(event), event.iter, getattr(event, "value", None), getattr(event, "lr", None)) for event in events]


def content(path):
    """Return what a solverstate says, without what differs between two equal runs: names of files and times."""
    state = format_of(path).read_state(path)
    resume = state.resume
    histories = [blob.data.tobytes() for blob in state.history]
    return state.iter, state.current_step, histories, list(resume.score), list(resume.net)


@pytest.mark.parametrize("format", ["BINARYPROTO", "HDF5"])
def test_decisions_are_resumed_exactly_from_every_snapshot(solvers, tmp_path, resumable_net, format):
    suffix = ".h5" if format == "HDF5" else ""

    def made(name):
        (tmp_path / name).mkdir()
        fields = f'{DECIDING} snapshot_format: {format} snapshot_prefix: "{tmp_path}/{name}/a"'
        solver = solvers.of(fields, resumable_net)
        return solver, told(solver)

    straight, seen = made("straight")
    straight.solve()
    assert straight.early_stopped
    assert {type(event) for event in seen} == {BestSnapshotWritten, EarlyStopped, RateLowered}
    end = straight.iter
    assert 20 < end < 60
    best = content(tmp_path / "straight" / f"a_best.solverstate{suffix}")
    for start in range(3, end, 6):
        resumed, seen_again = made(f"from_{start}")
        resumed.solve(tmp_path / "straight" / f"a_iter_{start}.solverstate{suffix}")
        assert resumed.iter == end
        assert figures(seen_again) == [one for one in figures(seen) if one[1] >= start]
        np.testing.assert_array_equal(resumed.net.arena.data, straight.net.arena.data)
        np.testing.assert_array_equal(resumed.histories, straight.histories)
        assert resumed.lr == straight.lr
        final = f"a_iter_{end}.solverstate{suffix}"
        assert content(tmp_path / f"from_{start}" / final) == content(tmp_path / "straight" / final)
        if best[0] >= start:
            assert content(tmp_path / f"from_{start}" / f"a_best.solverstate{suffix}") == best
        resumed.close()
    straight.close()


def test_a_training_that_has_stopped_early_stays_so_until_it_is_more_patient(solvers, tmp_path, resumable_net):
    fields = DECIDING.replace('output: "loss" test_net: 0 patience: 7', 'output: "loss" test_net: 0 patience: 3')
    solver = solvers.of(f'{fields} snapshot_prefix: "{tmp_path}/a"', resumable_net)
    seen = told(solver)
    solver.solve()
    end, weights = solver.iter, solver.net.arena.data.copy()
    solver.step(5)
    solver.solve()
    assert solver.iter == end
    assert [type(event) for event in seen].count(EarlyStopped) == 1
    np.testing.assert_array_equal(solver.net.arena.data, weights)
    solver.param.early_stopping.patience = 4
    solver.step(2)
    assert solver.iter > end
    solver.close()


def test_the_best_can_be_gone_on_from(solvers, tmp_path, resumable_net):
    """With its state the run is repeated; the test that found it is made again, and finds it again."""
    fields = f'{DECIDING} snapshot_prefix: "{tmp_path}/a"'
    straight = solvers.of(fields, resumable_net)
    seen = told(straight)
    straight.step(20)
    best = [event for event in seen if isinstance(event, BestSnapshotWritten)][-1]
    assert best.state_file == f"{tmp_path}/a_best.solverstate"
    resumed = solvers.of(fields, resumable_net)
    again = told(resumed)
    resumed.restore(best.state_file, strict=True)
    assert resumed.iter == best.iter
    resumed.step(20 - best.iter)
    np.testing.assert_array_equal(resumed.net.arena.data, straight.net.arena.data)
    assert figures(again) == [one for one in figures(seen) if one[1] >= best.iter]
    straight.close()
    resumed.close()


def test_the_steps_of_another_policy_are_not_taken_for_lowerings(solvers, tmp_path):
    tested = TESTED.replace('lr_policy: "fixed"', "")
    stepped = solvers.of(f'{tested} lr_policy: "step" gamma: 0.5 stepsize: 1 snapshot_prefix: "{tmp_path}/a"')
    stepped.step(3)
    assert stepped.current_step == 2
    plateau = 'lr_policy: "plateau" gamma: 0.5 lr_plateau { output: "loss" patience: 99 }'
    solver = solvers.of(f"{tested} {plateau}")
    solver.restore(stepped.snapshot().state_file)
    assert solver.lr == np.float32(0.1)


def test_a_verdict_names_what_asks(solvers):
    solver = solvers.of(f'{TESTED} early_stopping {{ output: "loss" patience: 2 }}')
    outputs = {0: (Output("loss", 1.0, 1.0),)}
    assert [solver.scores.take(i, outputs).stop is not None for i in range(4)] == [False, False, True, True]
    assert solver.scores.take(3, outputs).stop is None  # the same test again


@pytest.mark.parametrize("batch", range(1, 8))
def test_a_stop_during_the_tests_counts_no_test_twice(solvers, tmp_path, resumable_net, batch):
    """Three batches a round: whichever a stop comes before, both runs go on as if it had not come."""
    fields = f'{DECIDING} snapshot_prefix: "{tmp_path}/a"'
    straight = solvers.of(fields, resumable_net)
    straight.step(24)
    stopped = solvers.of(fields, resumable_net)
    stopped.step(15)
    asked = iter([Action.NONE] * batch + [Action.STOP])
    stopped.action_source = lambda: next(asked, Action.NONE)
    stopped.step(9)
    assert stopped.stopped
    resumed = solvers.of(fields, resumable_net)
    resumed.restore(stopped.snapshot().state_file)
    for solver in (stopped, resumed):
        solver.step(24 - solver.iter)
        np.testing.assert_array_equal(solver.net.arena.data, straight.net.arena.data)
        assert solver.scores.states() == straight.scores.states()
        assert (solver.lr, solver.current_step) == (straight.lr, straight.current_step)
    for solver in (straight, stopped, resumed):
        solver.close()
