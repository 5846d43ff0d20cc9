"""What Caffe's own tests of solvers assert (section 7 of pycaffe's specification), and section 3."""

import gc
import os

import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite import _caffe
from caffelite.core import ranks
from caffelite.core.errors import SolverError
from caffelite.proto import caffe_pb2

SOLVER = """net: '%s'
test_iter: 10 test_interval: 10 base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005 lr_policy: 'inv' gamma: 0.0001
power: 0.75 display: 100 max_iter: 100 snapshot_after_train: false snapshot_prefix: "model"
"""
COUNTED = """name: 'counted'
layer { name: 'data' type: 'DummyData' top: 'x' top: 't'
  dummy_data_param { shape { dim: 4 dim: 3 } shape { dim: 4 dim: 1 }
  data_filler { type: 'gaussian' std: 1 } data_filler { type: 'constant' } } }
layer { name: 'ip' type: 'InnerProduct' bottom: 'x' top: 'y' inner_product_param { num_output: 1
  weight_filler { type: 'xavier' } bias_filler { type: 'constant' value: -3 } } }
layer { name: 'loss' type: 'EuclideanLoss' bottom: 'y' bottom: 't' top: 'loss' }
"""
COUNTED_SOLVER = """net: '%s' base_lr: 0.01 lr_policy: 'fixed' max_iter: 4 test_iter: 3 test_interval: 2
snapshot_after_train: false """


@pytest.fixture
def solver_file(net_file, tmp_path):
    path = tmp_path / "solver.prototxt"
    path.write_text(SOLVER % net_file)
    return str(path)


@pytest.fixture
def solver(solver_file, net_file):
    """A solver whose files are gone, as in Caffe's tests; get_solver works on the same file."""
    made = caffelite.SGDSolver(solver_file)
    assert type(caffelite.get_solver(solver_file)) is caffelite.SGDSolver
    os.remove(net_file)
    os.remove(solver_file)
    return made


@pytest.fixture
def counted(tmp_path):
    """A solver of the little net, with what it does in `trace`: T and t test and train, S and G the callbacks."""
    (tmp_path / "counted.prototxt").write_text(COUNTED)
    (tmp_path / "solver.prototxt").write_text(COUNTED_SOLVER % (tmp_path / "counted.prototxt"))

    def make(fields=""):
        param = caffe_pb2.SolverParameter()
        text_format.Merge((tmp_path / "solver.prototxt").read_text() + fields, param)
        (tmp_path / "made.prototxt").write_text(str(param))
        solver = caffelite.get_solver(str(tmp_path / "made.prototxt"))
        solver.trace = []

        def note(letter):
            return lambda *_: solver.trace.append(f"{letter}{solver.iter}")

        solver.add_callback(note("S"), note("G"))
        solver.net.before_forward(lambda layer: layer or note("t")())
        for test_net in solver.test_nets:
            test_net.before_forward(lambda layer: layer or note("T")())
        return solver

    return make


# TestSolver


def test_solve(solver):
    assert solver.iter == 0
    solver.solve()
    assert solver.iter == 100


def test_apply_update(solver):
    weights, diff = solver.net.layers[1].blobs[0].data, solver.net.layers[1].blobs[0].diff
    weights[...] = 0
    diff[...] = 1
    solver.apply_update()
    np.testing.assert_allclose(weights, np.full_like(weights, -0.01), atol=1e-7)


def test_net_memory(solver):
    nets = [solver.net, *solver.test_nets]
    assert len(nets) == 2
    del solver
    gc.collect()
    total = 0
    for net in nets:
        for params in net.params.values():
            total += sum(float(blob.data.sum() + blob.diff.sum()) for blob in params)
        for blob in net.blobs.values():
            total += float(blob.data.sum() + blob.diff.sum())
        net.forward()
    assert np.isfinite(total)


def test_snapshot(solver, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    solver.snapshot()
    for suffix in ("caffemodel", "solverstate"):
        assert (tmp_path / f"model_iter_0.{suffix}").is_file()


# Creation and members (sections 3.1, 3.2)


def test_the_class_decides_and_not_the_type_in_the_file(tmp_path, counted):
    counted("type: 'Adam' momentum: 0.9")
    path = str(tmp_path / "made.prototxt")
    assert type(caffelite.get_solver(path)) is caffelite.AdamSolver
    assert type(caffelite.SGDSolver(path)) is caffelite.SGDSolver
    assert type(caffelite.get_solver(path.encode())) is caffelite.AdamSolver


def test_solver_type_of_old_files(counted):
    assert type(counted("solver_type: NESTEROV momentum: 0.5")) is caffelite.NesterovSolver


@pytest.mark.parametrize("kind", "SGD Nesterov AdaGrad RMSProp AdaDelta Adam".split())
def test_all_are_solvers(kind):
    made = getattr(caffelite, f"{kind}Solver")
    assert issubclass(made, caffelite.SGDSolver) and issubclass(made, _caffe.Solver)
    assert getattr(_caffe, f"{kind}Solver") is getattr(caffelite.pycaffe, f"{kind}Solver") is made


def test_the_base_makes_no_solver():
    with pytest.raises(TypeError):
        _caffe.Solver("solver.prototxt")
    with pytest.raises(TypeError):
        caffelite.SGDSolver()


def test_members(counted):
    solver = counted()
    assert solver.net is solver.net and type(solver.test_nets) is _caffe.NetVec and len(solver.test_nets) == 1
    assert (solver.param.max_iter, solver.param.display, solver.param.layer_wise_reduce) == (4, 0, True)
    assert solver.lr == pytest.approx(0.01)
    solver.param.base_lr = 0.5  # takes effect at once
    assert solver.lr == 0.5
    for name in ("iter", "lr", "net", "test_nets"):
        with pytest.raises(AttributeError):
            setattr(solver, name, 3)
    with pytest.raises(TypeError, match="share_weights takes a Net, not 3"):
        solver.share_weights(3)
    with pytest.raises(TypeError):
        solver.add_callback(lambda: None)
    for steps in (0, -1):
        solver.step(steps)
    assert solver.iter == 0 and solver.trace == []
    solver.step(np.int64(1))
    assert solver.iter == 1


def test_learning_rates_of_multistep():
    param = caffe_pb2.SolverParameter(base_lr=1, lr_policy="multistep", gamma=0.1, stepvalue=[2, 4, 6])
    text_format.Merge("net_param {" + COUNTED + "}", param)
    solver = caffelite.SGDSolver(param)
    rates = []
    for _ in range(8):
        rates.append(solver.lr)
        solver.net.clear_param_diffs()
        solver.apply_update()
    np.testing.assert_allclose(rates, [1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001], rtol=1e-6)


def test_an_update_of_the_bias(solver):
    """The specification's figures: bias -3 with diff 1 changes by -0.00998497, and the diff is the update."""
    bias = solver.net.params["ip"][1]
    solver.net.clear_param_diffs()
    bias.diff[...] = 1
    solver.apply_update()
    np.testing.assert_allclose(bias.data + 3, -0.00998497, rtol=1e-4)
    np.testing.assert_allclose(bias.diff, 0.009985, rtol=1e-5)


def test_share_weights(counted):
    solver, other = counted(), counted()
    solver.share_weights(other.net)
    solver.net.params["ip"][0].data[...] = 7
    solver.net.params["ip"][0].diff[...] = 1
    assert (other.net.params["ip"][0].data == 7).all() and not other.net.params["ip"][0].diff.any()


def test_snapshot_and_restore(counted, tmp_path):
    solver = counted(f"snapshot_prefix: '{tmp_path}/run' momentum: 0.9")
    solver.step(3)
    solver.snapshot()
    restored = counted(f"snapshot_prefix: '{tmp_path}/run' momentum: 0.9")
    restored.restore(str(tmp_path / "run_iter_3.solverstate"))
    assert restored.iter == 3
    np.testing.assert_array_equal(restored.net.params["ip"][0].data, solver.net.params["ip"][0].data)
    restored = counted(f"snapshot_prefix: '{tmp_path}/run' momentum: 0.9")
    restored.solve(str(tmp_path / "run_iter_3.solverstate"))
    assert restored.iter == 4
    counted().solve(None)


# The order of events (section 3.3)


def test_the_trace_of_an_iteration(counted):
    solver = counted()
    solver.solve()
    assert " ".join(solver.trace) == "T0 T0 T0 S0 t0 G0 S1 t1 G1 T2 T2 T2 S2 t2 G2 S3 t3 G3 T4 T4 T4"
    solver.trace.clear()
    solver.step(1)
    assert " ".join(solver.trace) == "T4 T4 T4 S4 t4 G4"


def test_the_trace_with_two_batches_and_of_layers(counted):
    solver = counted("iter_size: 2 test_initialization: false")
    seen = []
    for event in ("before_forward", "after_forward", "before_backward", "after_backward"):
        solver.net.add_callback(event, lambda layer, event=event: seen.append((event, layer)))
    solver.add_callback(lambda: seen.append("S"), lambda: seen.append("G"))
    solver.step(1)
    forward = [(f"{when}_forward", layer) for layer in (0, 1, 2) for when in ("before", "after")]
    backward = [(f"{when}_backward", layer) for layer in (2, 1, 0) for when in ("before", "after")]
    assert seen == ["S", *forward, *backward, *forward, *backward, "G"]


def test_exceptions_of_callbacks_come_through_and_the_iteration_does_not_count(counted):
    solver = counted("test_initialization: false")

    def fail(*_):
        raise LookupError("mine")

    solver.net.after_forward(fail)
    with pytest.raises(LookupError, match="mine"):
        solver.step(1)
    assert solver.iter == 0
    solver = counted("test_initialization: false")
    solver.add_callback(lambda: None, fail)
    with pytest.raises(LookupError, match="mine"):
        solver.step(1)
    assert solver.iter == 0


# Several processes (section 3.4)


@pytest.fixture
def second_of_two():
    caffelite.set_solver_count(2)
    caffelite.set_solver_rank(1)
    yield
    ranks.set_solver_count(1)
    ranks.set_solver_rank(0)


def test_a_solver_takes_its_rank_and_does_not_solve_or_snapshot(second_of_two, counted):
    solver = counted("random_seed: 5")
    assert (solver.solver_rank, solver.seed) == (1, 6)
    assert solver.net.context.solver_count == 2
    solver.step(2)
    assert " ".join(solver.trace) == "S0 t0 G0 S1 t1 G1"  # tests are for rank 0
    with pytest.raises(SolverError, match="only the solver of rank 0 solves"):
        solver.solve()
    with pytest.raises(SolverError, match="only the solver of rank 0 takes snapshots"):
        solver.snapshot()


def test_nets_take_the_rank_too(second_of_two, net):
    assert (net.context.solver_rank, net.context.solver_count) == (1, 2)


# What scripts do (section 8)


def test_a_solver_written_field_by_field(tmp_path, net_file):
    s = caffe_pb2.SolverParameter()
    s.train_net = net_file
    s.test_net.append(net_file)
    s.test_iter.append(2)
    s.test_interval = 500
    s.iter_size = 1
    s.max_iter = 3
    s.type = "Nesterov"
    s.base_lr = 0.001
    s.lr_policy = "step"
    s.gamma = 0.1
    s.stepsize = 20000
    s.momentum = 0.9
    s.weight_decay = 5e-4
    s.display = 1000
    s.snapshot = 5000
    s.snapshot_prefix = str(tmp_path / "train")
    s.random_seed = 0xCAFFE
    s.solver_mode = caffe_pb2.SolverParameter.GPU
    path = tmp_path / "auto_solver.prototxt"
    path.write_text(str(s))
    solver = caffelite.get_solver(str(path))
    losses = np.zeros(3)
    for it in range(3):
        solver.step(1)
        losses[it] = solver.net.blobs["loss"].data
        solver.test_nets[0].forward(start="conv")
        correct = sum(solver.test_nets[0].blobs["ip_blob"].data.argmax(1) == solver.net.blobs["label"].data.ravel())
        assert 0 <= correct <= 5
    assert solver.iter == 3 and (losses > 0).all()


def test_two_solvers_take_turns(counted):
    solvers = [("one", counted("test_initialization: false")), ("two", counted("test_initialization: false"))]
    for _ in range(2):
        for _, solver in solvers:
            solver.step(1)
    assert [solver.trace for _, solver in solvers] == [["S0", "t0", "G0", "S1", "t1", "G1"]] * 2


def test_weights_are_copied_into_the_training_net(counted, tmp_path):
    solver = counted()
    solver.net.save(str(tmp_path / "w.caffemodel"))
    other = counted()
    other.net.copy_from(str(tmp_path / "w.caffemodel"))
    other.test_nets[0].share_with(other.net)
    np.testing.assert_array_equal(other.test_nets[0].params["ip"][0].data, solver.net.params["ip"][0].data)
