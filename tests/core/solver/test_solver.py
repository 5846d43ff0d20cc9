import gc
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import caffelite
from caffelite.core.errors import SolverError, UnknownNameError
from caffelite.core.events import (
    Action,
    FinalLossDisplayed,
    IterationFinished,
    OptimizationDone,
    OptimizationStopped,
    StepTaken,
)
from caffelite.core.solver.rules.sgd import SGDSolver
from caffelite.core.solver.solver import SOLVERS, Solver
from caffelite.proto.caffe_pb2 import SolverParameter
from caffelite.pycaffe_solver import get_solver

FIXED = 'base_lr: 0.1 lr_policy: "fixed" '


def test_the_members_that_pycaffe_has(solvers):
    solver = solvers.of("base_lr: 0.01 lr_policy: 'inv' gamma: 0.0001 power: 0.75 momentum: 0.9 weight_decay: 0.0005")
    assert isinstance(solver, caffelite.SGDSolver)
    assert isinstance(solver, Solver)
    assert solver.iter == 0
    assert solver.net is solver.net
    assert len(solver.test_nets) == 0
    with pytest.raises(AttributeError):
        solver.iter = 3
    solver.step(0)
    solver.step(-3)
    assert solver.iter == 0
    solver.step(3)
    assert solver.iter == 3
    assert solver.lr == pytest.approx(0.00999775, rel=1e-6)
    assert solver.param.layer_wise_reduce
    solver.param.base_lr = 1
    assert solver.lr == pytest.approx(0.999775, rel=1e-6)


def test_apply_update_uses_the_present_gradients(solvers):
    solver = solvers.of("base_lr: 0.01 lr_policy: 'inv' gamma: 0.0001 power: 0.75 momentum: 0.9 weight_decay: 0.0005")
    weight = solver.net.params["ip"][0]
    weight.data[...], weight.diff[...] = -3, 1
    solver.apply_update()
    np.testing.assert_allclose(weight.data, np.full((1, 2), -3 - 0.00998497), rtol=1e-6)
    np.testing.assert_allclose(weight.diff, np.full((1, 2), 0.009985), rtol=1e-6)
    assert solver.iter == 1


def test_share_weights_lets_another_net_use_the_parameters(solvers):
    solver = solvers.of(FIXED)
    net = caffelite.Net(solver.param.net_param, caffelite.TEST)
    solver.share_weights(net)
    solver.step(1)
    np.testing.assert_array_equal(net.params["ip"][0].data, solver.net.params["ip"][0].data)


def trace_of(solver, run):
    trace = []

    def note(letter, net=None):
        return lambda *_: trace.append(f"{letter}{solver.iter}")

    solver.add_callback(note("S"), note("G"))
    solver.net.add_callback("before_forward", lambda layer: note("t")() if layer == 0 else None)
    for net in solver.test_nets:
        net.add_callback("before_forward", lambda layer: note("T")() if layer == 0 else None)
    run(solver)
    return " ".join(trace)


def test_order_of_tests_callbacks_and_passes(solvers):
    solver = solvers.of(FIXED + "max_iter: 4 snapshot_after_train: false test_interval: 2 test_iter: 3")
    expected = "T0 T0 T0 S0 t0 G0 S1 t1 G1 T2 T2 T2 S2 t2 G2 S3 t3 G3 T4 T4 T4"
    assert trace_of(solver, lambda solver: solver.solve()) == expected
    assert trace_of(solver, lambda solver: solver.step(1)).endswith("T4 T4 T4 S4 t4 G4")


def test_test_initialization_and_iter_size(solvers):
    solver = solvers.of(FIXED + "test_interval: 2 test_iter: 1 test_initialization: false iter_size: 2")
    assert trace_of(solver, lambda solver: solver.step(3)) == "S0 t0 t0 G0 S1 t1 t1 G1 T2 S2 t2 t2 G2"


def test_an_exception_in_a_callback_comes_out_and_the_iteration_does_not_count(solvers):
    solver = solvers.of(FIXED)

    def fail():
        raise ZeroDivisionError

    solver.add_callback(lambda: None, fail)
    with pytest.raises(ZeroDivisionError):
        solver.step(1)
    assert solver.iter == 0


@pytest.mark.parametrize("callbacks", [("before_forward", print), (print, None)])
def test_a_callback_that_cannot_be_called_is_refused_when_it_is_given(solvers, callbacks):
    with pytest.raises(TypeError, match="^a callback is a function, not "):
        solvers.of(FIXED).add_callback(*callbacks)


@pytest.mark.parametrize("iterations", [2.5, "3", None, np.float32(2)])
def test_a_part_of_an_iteration_is_refused(solvers, iterations):
    solver = solvers.of(FIXED)
    with pytest.raises(TypeError, match="step takes a whole number of iterations, not "):
        solver.step(iterations)
    assert solver.iter == 0
    solver.step(np.int64(2))
    assert solver.iter == 2


def test_solve_displays_the_final_loss_and_ends(solvers, caplog):
    solver = solvers.of(FIXED + "max_iter: 4 snapshot_after_train: false display: 2 average_loss: 2")
    seen = []
    solver.events.add(seen.append)
    solver.solve()
    assert solver.iter == 4
    assert isinstance(seen[-1], OptimizationDone)
    seen.clear()
    with caplog.at_level("INFO", "caffelite"):
        solver.solve()
    assert "There is nothing to do: this is iteration 4, and max_iter is 4" in caplog.messages
    assert solver.iter == 4
    assert isinstance(seen[-1], OptimizationDone)


@pytest.mark.parametrize("format_", ["HDF5", "BINARYPROTO"])
def test_a_snapshot_that_there_is_nothing_to_add_to_stays(solvers, tmp_path, format_):
    """It was written again, without the gradients."""
    prefix = f"{FIXED} max_iter: 3 snapshot_diff: true snapshot_format: {format_} random_seed: 1 snapshot_prefix: "
    text = f"{prefix} '{tmp_path}/a'"
    solver = solvers.of(text)
    solver.solve()
    before = {path: path.read_bytes() for path in tmp_path.glob("a_iter_3.*")}
    assert len(before) == 2
    state = solver.last_snapshot
    again = solvers.of(text)
    again.solve(state)
    assert again.iter == 3
    assert {path: path.read_bytes() for path in tmp_path.glob("a_iter_3.*")} == before
    other = solvers.of(f"{prefix} '{tmp_path}/b'")
    other.solve(state)
    assert len(list(tmp_path.glob("b_iter_3.*"))) == 2


def test_stop_and_snapshot_are_asked_for_after_each_update(solvers, tmp_path):
    solver = solvers.of(f"{FIXED} max_iter: 9 snapshot_prefix: '{tmp_path}/a'")
    asked = iter([Action.NONE, Action.SNAPSHOT, Action.NONE, Action.STOP])
    solver.action_source = lambda: next(asked)
    seen = []
    solver.events.add(seen.append)
    solver.solve()
    assert solver.iter == 4
    assert solver.stopped
    assert isinstance(seen[-1], OptimizationStopped)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"a_iter_{n}.{kind}" for n in (2, 4) for kind in ("caffemodel", "solverstate")}
    solver.action_source = lambda: Action.NONE
    solver.step(1)
    assert (solver.iter, solver.stopped) == (5, False)


def test_gradients_that_are_not_numbers_are_not_clipped_away(solvers):
    solver = solvers.of(FIXED + "clip_gradients: 1")
    solver.net.params["ip"][0].diff[...] = np.nan
    solver.apply_update()
    assert np.isnan(solver.net.params["ip"][0].data).all()


def test_the_class_decides_and_get_solver_goes_by_type(solvers, monkeypatch):
    monkeypatch.setitem(SOLVERS._members, "Other", type("OtherSolver", (SGDSolver,), {}))
    param = solvers.param(FIXED + 'type: "Other"')
    assert type(get_solver(param)).__name__ == "OtherSolver"
    assert type(SGDSolver(param)) is SGDSolver


def test_an_unknown_type_is_answered_with_the_known_ones(tmp_path):
    (tmp_path / "solver.prototxt").write_text('base_lr: 1\ntype: "SGDD"')
    with pytest.raises(UnknownNameError, match=r'solver\.prototxt:2: Unknown solver type: SGDD; did you mean "SGD"\?'):
        get_solver(tmp_path / "solver.prototxt")


def test_the_base_class_is_not_for_use():
    with pytest.raises(TypeError, match="abstract"):
        Solver(SolverParameter())


@pytest.mark.parametrize("run", [lambda s: s.step(1), lambda s: s.lr, lambda s: s.apply_update()])
def test_training_without_lr_policy_is_refused_before_the_first_pass(solvers, run):
    solver = solvers.of()
    with pytest.raises(SolverError, match="lr_policy is missing; use exp, fixed, .* or step"):
        run(solver)


def test_solving_without_max_iter_is_refused(solvers):
    with pytest.raises(SolverError, match="max_iter is missing; write how many iterations to train"):
        solvers.of('lr_policy: "fixed"').solve()


def test_debug_info_is_on_in_displayed_iterations_only(solvers):
    solver = solvers.of(FIXED + "display: 2 debug_info: true test_interval: 9 test_iter: 1")
    flags = []
    solver.add_callback(lambda: None, lambda: flags.append(solver.net.debug_info))
    solver.step(4)
    assert flags == [True, False, True, False]
    assert solver.test_nets[0].debug_info


def test_a_net_without_parameters_runs(solvers):
    net = """layer { name: "data" type: "DummyData" top: "x" top: "t" dummy_data_param { shape { dim: 2 dim: 2 } } }
    layer { name: "loss" type: "EuclideanLoss" bottom: "x" bottom: "t" top: "loss" }"""
    solver = solvers.of(FIXED + "clip_gradients: 1", net)
    solver.step(2)
    assert solver.iter == 2


def test_large_arenas_are_updated_as_small_ones(solvers):
    net = solvers.RANDOM_NET.replace("dim: 4 dim: 5", "dim: 4 dim: 12000")
    solver = solvers.of(FIXED + "weight_decay: 0.5 clip_gradients: 2", net)
    before = solvers.params_of(solver)
    for param in solver.net.learnable_params:
        param.blob.diff[...] = 3
    solver.apply_update()
    gradient = 2 / np.sqrt(sum(values.size for values in before))
    for old, new in zip(before, solvers.params_of(solver), strict=True):
        np.testing.assert_allclose(new, old - 0.1 * (gradient + 0.5 * old), rtol=1e-5, atol=1e-7)


def traced():
    """Bytes that caffelite's own lines hold; the test runner's threads and Python's tables grow, too, for a while."""
    gc.collect()
    ours = tracemalloc.Filter(True, f"{Path(caffelite.__file__).parent}/*")
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([ours]).traces)


def test_nothing_grows_from_one_iteration_to_the_next(solvers):
    solver = solvers.of(FIXED + "average_loss: 5 display: 2 clip_gradients: 1 test_interval: 3 test_iter: 1")
    solver.events.remove(solver.log)
    tracemalloc.start()
    try:
        solver.step(1500)  # Python's lists of free objects fill up first
        sizes = [traced()]
        for _ in range(3):
            solver.step(400)
            sizes.append(traced())
    finally:
        tracemalloc.stop()
    # one object of Python's an iteration would be 20,000 bytes; numba's own tables fill up ever more slowly
    assert min(np.diff(sizes)) < 10_000


def test_an_error_in_an_inline_net_names_the_solvers_file_and_line(tmp_path):
    (tmp_path / "solver.prototxt").write_text(
        'lr_policy: "fixed"\nnet_param {\n layer { name: "a" type: "Input" top: "a" }\n'
        ' layer { name: "ip" type: "InnerProduct" bottom: "b" top: "c" }\n}'
    )
    with pytest.raises(caffelite.CaffeliteError, match=r"solver\.prototxt:4: "):
        get_solver(tmp_path / "solver.prototxt")


def test_reading_the_rate_changes_nothing(solvers):
    """Two equal stepvalues, of which Caffe takes one in each iteration."""
    text = 'base_lr: 1 lr_policy: "multistep" gamma: 0.5 stepvalue: 1 stepvalue: 1 stepvalue: 3'
    read, unread = solvers.of(text), solvers.of(text)
    seen = {solver: [] for solver in (read, unread)}
    for solver, events in seen.items():
        solver.events.add(lambda event, events=events: events.append(event))
    for expected in (1, 0.5, 0.25, 0.125, 0.125):
        step, told = read.current_step, len(seen[read])
        assert [read.lr, read.lr] == [expected, expected]
        assert (read.current_step, len(seen[read])) == (step, told)
        read.step(1)
        unread.step(1)
        assert read.current_step == unread.current_step
    for solver in (read, unread):
        finished = [event.lr for event in seen[solver] if isinstance(event, IterationFinished)]
        assert finished == [1, 0.5, 0.25, 0.125, 0.125]
        steps = [(event.iter, event.step) for event in seen[solver] if isinstance(event, StepTaken)]
        assert steps == [(1, 1), (2, 2), (3, 3)]
    np.testing.assert_array_equal(read.net.arena.data, unread.net.arena.data)


def test_the_final_loss_is_that_of_the_batch_after_the_last_iteration(solvers):
    """With iter_size 2, four iterations take the batches 0 to 7; the final loss is that of batch 8."""
    solver = solvers.of(
        FIXED + "max_iter: 4 snapshot_after_train: false display: 4 iter_size: 2 random_seed: 3", solvers.RANDOM_NET
    )
    passes, losses, seen = [], [], []

    def note(layer):
        if layer == 2:
            passes.append(solver.net.context.passes)
            losses.append(float(solver.net.blobs["loss"].data))

    solver.net.add_callback("after_forward", note)
    solver.events.add(seen.append)
    solver.solve()
    assert passes == list(range(9))
    (final,) = (event for event in seen if isinstance(event, FinalLossDisplayed))
    assert final.loss == pytest.approx(losses[8], rel=1e-6)


def test_weights_of_an_inline_net_are_not_printed_as_text(solvers, caplog):
    param = solvers.param(FIXED)
    param.net_param.layer[1].blobs.add(data=[0.125, 0.25]).shape.dim[:] = [1, 2]
    param.net_param.layer[1].blobs.add(data=[0.5]).shape.dim[:] = [1]
    with caplog.at_level("INFO", "caffelite"):
        get_solver(param)
    (text,) = (text for text in caplog.messages if text.startswith("Initializing solver from parameters: \n"))
    assert "shape { dim: 1 dim: 2 } (2 values)" in text
    assert "0.125" not in text
