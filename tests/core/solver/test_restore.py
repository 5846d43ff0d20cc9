import logging
import os
from pathlib import Path

import numpy as np
import pytest

from caffelite.core.errors import WeightsError
from caffelite.core.solver.restore import restore_newest
from caffelite.core.solver.snapshot import state_crc32
from caffelite.core.solver.snapshot_files import snapshots
from caffelite.core.weights.solverstate import read_state, write_state
from caffelite.proto.caffe_pb2 import NetParameter, ResumeState, SolverState
from caffelite.pycaffe_solver import get_solver

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


RUN = FIXED.replace("0.05", "0.01") + "test_iter: 1 test_iter: 2 test_interval: 2 snapshot: 3 iter_size: 2 "


@pytest.fixture
def with_net(solvers, tmp_path, resumable_net):
    """Make solvers of resumable_net, closed after the test: with_net("random_seed: 3")."""
    made = []

    def make(fields, **options):
        text = f'{RUN} {fields} snapshot_prefix: "{tmp_path}/a"'
        made.append(solvers.of(text, resumable_net, **options))
        return made[-1]

    yield make
    for solver in made:
        solver.close()


@pytest.mark.parametrize("seed", ["", "random_seed: 3"])
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_data_draws_and_recurrent_states_are_resumed_too(with_net, tmp_path, seed, kind):
    fields = f'{seed} type: "{kind}"'
    straight, resumed = with_net(fields), with_net(fields)
    seen = {straight: [], resumed: []}
    for solver, values in seen.items():
        for net in solver.nets:
            net.add_callback(
                "after_forward", lambda i, n=net, v=values: i or v.append((n.phase, n.blobs["x"].data.copy()))
            )
    straight.step(9)
    resumed.restore(tmp_path / "a_iter_3.solverstate")
    resumed.step(6)
    assert_same(resumed, straight)
    for (phase, ours), (other_phase, theirs) in zip(seen[resumed], seen[straight][-len(seen[resumed]) :], strict=True):
        assert phase == other_phase
        np.testing.assert_array_equal(ours, theirs)
    tests = [
        straight.net.get_state()["data"]["position"],
        *(net.get_state()["data"]["position"] for net in straight.test_nets),
    ]
    assert tests == [72, 20, 40]


def test_a_solver_that_has_run_can_go_back(with_net, tmp_path):
    solver = with_net("")
    solver.step(6)
    params = solver.net.arena.data.copy()
    solver.restore(tmp_path / "a_iter_3.solverstate")
    assert not np.array_equal(solver.net.arena.data, params)
    solver.step(3)
    np.testing.assert_array_equal(solver.net.arena.data, params)


def test_states_that_caffe_wrote_are_restored(golden_folder, tmp_path):
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
    with pytest.raises(
        WeightsError,
        match=r"caffemodel is not found: .* \(tried .*/a_iter_2\.caffemodel and .*/moved/",
    ):
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


def test_what_may_make_a_resumed_run_differ_is_said(solvers, state_file, tmp_path, caplog):
    state = read_state(state_file)
    resume = ResumeState()
    resume.CopyFrom(state.resume)
    resume.threads, resume.solver_type = 99, "Nesterov"
    resume.net[0].value.add(layer="gone", name="position", dtype="<i8", data=bytes(8))
    message = SolverState(iter=2, learned_net=state.learned_net, current_step=0, resume=resume)
    message.resume.state_crc32 = state_crc32(message, [blob.data for blob in state.history])
    write_state(tmp_path / "b", message, [(blob.shape, blob.data) for blob in state.history])
    with caplog.at_level(logging.INFO, "caffelite"):
        solvers.of(FIXED).restore(tmp_path / "b")
    text = "\n".join(caplog.messages)
    assert "written with threads 99, here it is" in text
    assert "written with solver_type Nesterov, here it is SGD" in text
    assert "what layer gone kept is not used" in text


def flipped(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("suffix", ["", ".h5"])
def test_a_flipped_bit_in_a_state_is_found(solvers, tmp_path, suffix):
    text = FIXED + f'snapshot_format: {"HDF5" if suffix else "BINARYPROTO"} snapshot_prefix: "{tmp_path}/a"'
    solver = solvers.of(text)
    solver.step(2)
    path = Path(solver.snapshot().state_file)
    first = solver.net.learnable_params[0].offset
    history = solver.histories[0][first : first + 2].tobytes()
    flipped(path, path.read_bytes().index(history) + 1)
    other = solvers.of(text)
    before = other.net.arena.data.copy()
    with pytest.raises(WeightsError, match=r"a_iter_2\.solverstate.*: the file is damaged: its checksum is wrong"):
        other.restore(path)
    np.testing.assert_array_equal(other.net.arena.data, before)


def test_changed_weights_are_taken_with_a_warning_or_refused(solvers, tmp_path, state_file, caplog):
    flipped(tmp_path / "a_iter_2.caffemodel", -1)
    solver = solvers.of(FIXED)
    text = r"a_iter_2\.caffemodel is not as it was written with the solverstate: it is damaged, or somebody changed it"
    with pytest.raises(WeightsError, match=text):
        solver.restore(state_file, strict=True)
    solver.restore(state_file)
    assert any("somebody changed it" in record.message for record in caplog.records if record.levelname == "WARNING")


def test_the_newest_whole_snapshot_is_restored_and_damaged_ones_are_named(solvers, tmp_path, caplog):
    text = FIXED + f'snapshot_prefix: "{tmp_path}/a"'
    solver = solvers.of(text)
    for _ in range(4):
        solver.step(1)
        solver.snapshot()
    flipped(tmp_path / "a_iter_4.caffemodel", -1)
    (tmp_path / "a_iter_3.caffemodel").unlink()
    candidates = snapshots(f"{tmp_path}/a")
    resumed = solvers.of(text)

    def restore(state_file):
        resumed.restore(state_file, strict=True)

    assert restore_newest(restore, candidates) == f"{tmp_path}/a_iter_2.solverstate"
    assert resumed.iter == 2
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert [text.partition(" cannot be used: ")[0] for text in warnings] == [
        f"{tmp_path}/a_iter_{n}.solverstate" for n in (4, 3)
    ]
    (tmp_path / "a_iter_2.solverstate").write_bytes(b"")
    (tmp_path / "a_iter_1.caffemodel").write_bytes(b"")
    with pytest.raises(
        WeightsError, match="no snapshot can be used .*mend or remove them, or train without --snapshot"
    ):
        restore_newest(restore, candidates)


def test_a_newer_snapshot_of_a_lower_iteration_is_told(solvers, tmp_path, caplog):
    """As after a training that went back, and got less far; only the first complete one is opened."""
    solver = solvers.of(FIXED + f'snapshot_prefix: "{tmp_path}/a"')
    for _ in range(3):
        solver.step(1)
        solver.snapshot()
    opened, text = [], f"a_iter_2.solverstate is of a lower iteration than {tmp_path}/a_iter_3.solverstate, but its"
    assert restore_newest(opened.append, snapshots(f"{tmp_path}/a")) == f"{tmp_path}/a_iter_3.solverstate"
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]
    os.utime(tmp_path / "a_iter_2.solverstate", (2 * 10**9, 2 * 10**9))
    restore_newest(opened.append, snapshots(f"{tmp_path}/a"))
    [warning] = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert text in warning
    assert opened == [f"{tmp_path}/a_iter_3.solverstate"] * 2


TWO_LAYERS = """
layer { name: "data" type: "DummyData" top: "x" top: "t" dummy_data_param {
    shape { dim: 4 dim: 5 } shape { dim: 4 dim: 3 } data_filler { type: "gaussian" std: 1 } } }
layer { name: "ip1" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 4
    weight_filler { type: "xavier" } } }
layer { name: "ip2" type: "InnerProduct" bottom: "y" top: "z" inner_product_param { num_output: 3
    weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "z" bottom: "t" top: "loss" }
"""


@pytest.mark.parametrize("format", ["BINARYPROTO", "HDF5"])
def test_a_renamed_layer_is_refused_or_told(solvers, tmp_path, caplog, format):
    text = FIXED + f'snapshot_format: {format} snapshot_prefix: "{tmp_path}/a"'
    solver = solvers.of(text, TWO_LAYERS)
    solver.step(2)
    state_file = solver.snapshot().state_file
    renamed = solvers.of(text, TWO_LAYERS.replace('"ip2"', '"ip2_new"'))
    before = renamed.net.arena.data.copy()
    with pytest.raises(
        WeightsError, match=r"layer ip2_new has no weights in .*a_iter_2\.caffemodel.*: give it the name"
    ):
        renamed.restore(state_file, strict=True)
    np.testing.assert_array_equal(renamed.net.arena.data, before)
    assert (renamed.iter, np.any(renamed.histories[0])) == (0, False)
    renamed.restore(state_file)
    assert renamed.iter == 2
    [warning] = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert "layer ip2_new got no weights from" in warning


def test_a_state_without_a_caffemodel_is_refused_or_told(solvers, tmp_path, state_file, caplog):
    state = read_state(state_file)
    path = tmp_path / "bare.solverstate"
    write_state(path, SolverState(iter=2), [(blob.shape, blob.data) for blob in state.history])
    solver = solvers.of(FIXED)
    before = solver.net.arena.data.copy()
    with pytest.raises(
        WeightsError, match=r"bare\.solverstate names no caffemodel \(learned_net\), so it cannot be gone"
    ):
        solver.restore(path, strict=True)
    assert solver.iter == 0
    solver.restore(path)
    assert solver.iter == 2
    np.testing.assert_array_equal(solver.net.arena.data, before)
    [warning] = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert "names no caffemodel (learned_net): the weights stay as they are" in warning


def test_states_of_both_formats_are_told_by_their_contents(solvers, tmp_path):
    solver = solvers.of(FIXED + f'snapshot_format: HDF5 snapshot_prefix: "{tmp_path}/a"')
    solver.step(1)
    files = solver.snapshot()
    assert [Path(file).name for file in files] == ["a_iter_1.caffemodel.h5", "a_iter_1.solverstate.h5"]
    (tmp_path / "b").write_bytes(Path(files.state_file).read_bytes())
    other = solvers.of(FIXED)
    other.restore(tmp_path / "b")
    assert other.iter == 1
    np.testing.assert_array_equal(other.net.arena.data, solver.net.arena.data)
    np.testing.assert_array_equal(other.histories, solver.histories)


def test_a_solver_with_a_seed_of_its_own_keeps_it_and_others_take_the_stored_one(solvers, tmp_path):
    text = FIXED + f'test_iter: 1 test_interval: 100 test_initialization: false snapshot_prefix: "{tmp_path}/a"'

    def drawn(solver):
        """Return the seed of solver and nets, and what the next iteration draws."""
        (seed,) = {solver.seed, *(net.context.seed for net in solver.nets)}
        solver.step(1)
        return seed, solver.net.blobs["x"].data.copy()

    straight = solvers.of(f"{text} random_seed: 3", solvers.RANDOM_NET)
    straight.step(2)
    state_file = straight.snapshot().state_file
    seed, values = drawn(straight)
    assert seed == 3

    for fields, expected in (("", 3), ("random_seed: 3", 3), ("random_seed: 4", 4)):
        resumed = solvers.of(f"{text} {fields}", solvers.RANDOM_NET)
        resumed.restore(state_file)
        seed, theirs = drawn(resumed)
        assert seed == expected
        assert np.array_equal(theirs, values) == (expected == 3)
        again = read_state(resumed.snapshot().state_file)
        assert again.resume.seed == expected

    other = solvers.of(f"{text} random_seed: 4", solvers.RANDOM_NET)
    other.step(3)
    np.testing.assert_array_equal(theirs, other.net.blobs["x"].data)


def multistep(stepvalues):
    return 'base_lr: 0.05 lr_policy: "multistep" gamma: 0.5\n' + " ".join(f"stepvalue: {value}" for value in stepvalues)


@pytest.mark.parametrize(
    ("stepvalues", "told"),
    [
        ([1, 3, 9], None),
        ([1, 3], None),
        ([1, 3, 4], None),  # iteration 4 is still to come
        ([1], 'step 2 of lr_policy "multistep"; the stepvalues now say 1. Training goes on from that step'),
        ([0, 1, 3], "the stepvalues now say 3. Training takes one step in each iteration until it is there"),
    ],
)
def test_other_stepvalues_than_those_of_the_snapshot_are_told(solvers, tmp_path, caplog, stepvalues, told):
    prefix = f'\nsnapshot_prefix: "{tmp_path}/a"'
    first = solvers.of(multistep([1, 3]) + prefix)
    first.step(4)
    assert first.current_step == 2
    state_file = first.snapshot()[1]
    solver = get_solver(solvers.write(tmp_path, multistep(stepvalues) + prefix))
    caplog.clear()
    solver.restore(state_file)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    if told is None:
        assert not warnings
    else:
        [text] = warnings
        assert text.startswith(f"{tmp_path}/solver.prototxt:3: {state_file} was written at iteration 4 with step 2")
        assert told in text
    assert solver.current_step == 2


def test_steps_of_other_policies_are_not_told(solvers, tmp_path, caplog):
    first = solvers.of(multistep([1, 3]) + f'\nsnapshot_prefix: "{tmp_path}/a"')
    first.step(4)
    state_file = first.snapshot()[1]
    caplog.clear()
    solvers.of(FIXED).restore(state_file)
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]


EQUAL_NAMES_NET = """
layer { name: "data" type: "DummyData" top: "x" top: "t" dummy_data_param {
    shape { dim: 4 dim: 5 } shape { dim: 4 dim: 3 } data_filler { type: "gaussian" std: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 3
    weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "ip" type: "ReLU" bottom: "y" top: "y" }
layer { name: "ip" type: "InnerProduct" bottom: "y" top: "z" inner_product_param { num_output: 3
    weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "z" bottom: "t" top: "loss" }
"""


@pytest.mark.parametrize("snapshot_format", ["BINARYPROTO", "HDF5"])
def test_layers_of_one_name_are_warned_of_once_and_resumed_each_with_its_own(
    solvers, tmp_path, snapshot_format, caplog
):
    fields = f'snapshot_format: {snapshot_format} test_iter: 1 test_interval: 100 snapshot_prefix: "{tmp_path}/a"'
    path = solvers.write(tmp_path, FIXED + fields, EQUAL_NAMES_NET)
    straight, resumed = get_solver(path), get_solver(path)
    warnings = [text for text in caplog.messages if "has parameters, and so has an earlier layer of this name" in text]
    assert len(warnings) == 2  # one a solver, of two nets each
    assert "net.prototxt:7: layer" in warnings[0]
    assert "(net.prototxt:4)" in warnings[0].replace(f"{tmp_path}/", "")
    straight.step(1)
    _, state_file = straight.snapshot()
    straight.step(3)
    resumed.restore(state_file)
    resumed.step(3)
    assert_same(resumed, straight)
    assert len(set(straight.net.arena.data)) > 12
    for ours, tested in zip(resumed.net.core_layers, resumed.test_nets[0].core_layers, strict=True):
        for blob, other in zip(ours.blobs, tested.blobs, strict=True):
            assert np.shares_memory(blob.data, other.data)
