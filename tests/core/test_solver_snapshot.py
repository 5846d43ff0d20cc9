import logging

import numpy as np
import pytest

from caffelite.core.errors import SolverError, WeightsError
from caffelite.core.solver import get_solver
from caffelite.core.weights.caffemodel import read_layers
from caffelite.core.weights.solverstate import read_state, write_state
from caffelite.proto.caffe_pb2 import NetParameter, ResumeState, SolverState

FIXED = 'base_lr: 0.05 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.1 snapshot_after_train: false '


def assert_same(ours, theirs):
    assert ours.iter == theirs.iter
    for part in ("data", "diff"):
        np.testing.assert_array_equal(getattr(ours.net.arena, part), getattr(theirs.net.arena, part))
    np.testing.assert_array_equal(ours.histories, theirs.histories)


@pytest.mark.parametrize("seed", ["", "random_seed: 1701"])
@pytest.mark.parametrize("break_at", [1, 3])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(solvers, tmp_path, seed, break_at, dtype):
    text = FIXED + f'{seed} iter_size: 2 snapshot_prefix: "{tmp_path}/a"'
    straight = solvers.of(text, solvers.RANDOM_NET, dtype=dtype)
    straight.step(break_at)
    _, state_file = straight.snapshot()
    straight.step(3)
    resumed = solvers.of(text, solvers.RANDOM_NET, dtype=dtype)
    resumed.restore(state_file)
    resumed.step(3)
    assert_same(resumed, straight)
    assert np.ptp(straight.net.arena.data) > 0


DATA_NET = """
layer {{ name: "data" type: "Data" top: "x" top: "label" transform_param {{ mirror: true crop_size: 9 scale: 0.004 }}
    data_param {{ source: "{source}" backend: LMDB batch_size: 4 }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param {{ num_output: 2
    weight_filler {{ type: "gaussian" std: 0.01 }} }} }}
layer {{ name: "t" type: "DummyData" top: "t" dummy_data_param {{ shape {{ dim: 4 dim: 2 }} }} }}
layer {{ name: "silence" type: "Silence" bottom: "label" }}
layer {{ name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" }}
"""


def test_positions_in_data_and_random_crops_are_resumed_too(solvers, tmp_path, golden_folder):
    net = DATA_NET.format(source=golden_folder / "data" / "raw_lmdb")
    text = FIXED + f'random_seed: 3 test_iter: 1 test_interval: 2 snapshot_prefix: "{tmp_path}/a" snapshot: 3'
    straight, resumed = solvers.of(text, net), solvers.of(text, net)
    outputs = {straight: [], resumed: []}
    for solver, values in outputs.items():
        for each in solver.nets:
            each.add_callback("after_forward", lambda i, n=each, v=values: i or v.append(n.blobs["x"].data.copy()))
    straight.step(7)
    resumed.restore(tmp_path / "a_iter_3.solverstate")
    resumed.step(4)
    assert_same(resumed, straight)
    np.testing.assert_array_equal(outputs[resumed], outputs[straight][-len(outputs[resumed]) :])
    for solver in outputs:
        solver.close()


def test_snapshots_are_written_when_due_and_after_training(solvers, tmp_path):
    solver = solvers.of(f'base_lr: 0.1 lr_policy: "fixed" max_iter: 5 snapshot: 2 snapshot_prefix: "{tmp_path}/new/a"')
    solver.solve()
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        f"a_iter_{n}.{kind}" for n in (2, 4, 5) for kind in ("caffemodel", "solverstate")
    }
    state = read_state(tmp_path / "new" / "a_iter_4.solverstate")
    assert (state.iter, state.learned_net) == (4, f"{tmp_path}/new/a_iter_4.caffemodel")
    assert (state.resume.solver_type, state.resume.seed) == ("SGD", solver.seed)


def test_no_second_snapshot_at_the_end(solvers, tmp_path):
    solver = solvers.of(f'base_lr: 0.1 lr_policy: "fixed" max_iter: 4 snapshot: 2 snapshot_prefix: "{tmp_path}/a"')
    solver.step(4)
    (tmp_path / "a_iter_4.caffemodel").unlink()
    solver.solve()
    assert not (tmp_path / "a_iter_4.caffemodel").exists()


def test_snapshot_diff_stores_the_last_update(solvers, tmp_path):
    solver = solvers.of(FIXED + f'snapshot_diff: true snapshot_prefix: "{tmp_path}/a"')
    solver.step(1)
    model_file, _ = solver.snapshot()
    (weight, _) = next(layer.blobs for layer in read_layers(model_file) if layer.name == "ip")
    np.testing.assert_array_equal(weight.diff, solver.net.params["ip"][0].diff.ravel())


def test_states_that_caffe_wrote_are_restored(golden_folder, tmp_path, monkeypatch):
    for name in ("net.prototxt", "solver.prototxt", "constant_iter_5.caffemodel", "constant_iter_5.solverstate"):
        (tmp_path / name).write_bytes((golden_folder / "cli" / name).read_bytes())
    solver = get_solver(tmp_path / "solver.prototxt")
    solver.restore(tmp_path / "constant_iter_5.solverstate")
    assert (solver.iter, solver.current_step) == (5, 1)
    expected = NetParameter.FromString((tmp_path / "constant_iter_5.caffemodel").read_bytes())
    np.testing.assert_array_equal(
        solver.net.params["ip1"][0].data.ravel(),
        next(layer for layer in expected.layer if layer.name == "ip1").blobs[0].data,
    )
    assert solver.histories[0].sum() == pytest.approx(-0.2114946, rel=1e-5)


@pytest.fixture
def state_file(solvers, tmp_path):
    solver = solvers.of(FIXED + f'snapshot_prefix: "{tmp_path}/a"')
    solver.step(2)
    return solver.snapshot()[1]


def test_the_caffemodel_is_found_beside_the_state(solvers, tmp_path, state_file):
    (tmp_path / "moved").mkdir()
    for kind in ("caffemodel", "solverstate"):
        (tmp_path / f"a_iter_2.{kind}").rename(tmp_path / "moved" / f"a_iter_2.{kind}")
    solver = solvers.of(FIXED)
    solver.restore(tmp_path / "moved" / "a_iter_2.solverstate")
    assert solver.iter == 2
    (tmp_path / "moved" / "a_iter_2.caffemodel").unlink()
    with pytest.raises(WeightsError, match=r"caffemodel is not found \(tried .*/a_iter_2\.caffemodel and .*/moved/"):
        solver.restore(tmp_path / "moved" / "a_iter_2.solverstate")


def test_a_state_of_another_net_changes_nothing(solvers, state_file):
    solver = solvers.of(FIXED, solvers.RANDOM_NET)
    before = solver.net.arena.data.copy()
    with pytest.raises(WeightsError, match=r"history blob 0 is of shape 1 2 \(2\), but param 0 of layer 'ip' is of"):
        solver.restore(state_file)
    np.testing.assert_array_equal(solver.net.arena.data, before)
    assert solver.iter == 0


def test_another_number_of_history_blobs_is_refused(solvers, golden_folder):
    with pytest.raises(WeightsError, match=r"^Incorrect length of history blobs\. .* holds 8 of them; a solver of"):
        solvers.of(FIXED).restore(golden_folder / "solvers" / "resume" / "adam_iter_5.solverstate")


def test_hdf5_states_are_refused_by_name(solvers, golden_folder):
    with pytest.raises(WeightsError, match="this is an HDF5 file, which this version cannot read yet"):
        solvers.of(FIXED).restore(golden_folder / "solvers" / "resume" / "adam_iter_5.solverstate.h5")


def test_what_may_make_a_resumed_run_differ_is_said(solvers, state_file, tmp_path, caplog):
    state = read_state(state_file)
    resume = ResumeState()
    resume.CopyFrom(state.resume)
    resume.threads, resume.solver_type = 99, "Nesterov"
    resume.net[0].value.add(layer="gone", name="position", dtype="<i8", data=bytes(8))
    message = SolverState(iter=2, learned_net=state.learned_net, resume=resume)
    write_state(tmp_path / "b", message, [(blob.shape, blob.data) for blob in state.history])
    with caplog.at_level(logging.INFO, "caffelite"):
        solvers.of(FIXED).restore(tmp_path / "b")
    text = "\n".join(caplog.messages)
    assert "written with threads 99, here it is" in text
    assert "written with solver_type Nesterov, here it is SGD" in text
    assert "what layer gone kept is not used" in text


def test_a_folder_that_cannot_be_made_is_found_before_training(solvers, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    path = solvers.write(tmp_path, f'base_lr: 1 lr_policy: "fixed" max_iter: 1\nsnapshot_prefix: "{tmp_path}/file/a"')
    solver = get_solver(path)  # without `snapshot`, only solve writes
    with pytest.raises(SolverError, match=r"solver\.prototxt:3: Cannot write to snapshot prefix '.*/file/a_iter_0'"):
        solver.solve()
    assert solver.iter == 0
    path.write_text(path.read_text() + "\nsnapshot: 5")
    with pytest.raises(SolverError, match=r"solver\.prototxt:3: Cannot write to snapshot prefix"):
        get_solver(path)


def test_only_the_root_solver_takes_snapshots(solvers):
    with pytest.raises(SolverError, match="only the solver of rank 0"):
        solvers.of(FIXED, solver_rank=1, solver_count=2).snapshot()
