import h5py
import numpy as np
import pytest

from caffelite.core.errors import WeightsError
from caffelite.core.weights.hdf5 import is_hdf5
from caffelite.core.weights.hdf5_safety import problems
from caffelite.core.weights.hdf5_state import read_state, write_state
from caffelite.proto.caffe_pb2 import ResumeState, SolverState


@pytest.fixture
def caffes(golden_folder):
    return golden_folder / "solvers" / "resume" / "adam_iter_5.solverstate.h5"


def test_a_state_that_caffe_wrote(caffes):
    state = read_state(caffes)
    assert (state.iter, state.current_step, state.learned_net) == (5, 0, "snap_iter_5.caffemodel.h5")
    assert [blob.shape for blob in state.history] == [(4, 3, 3, 3), (4,), (3, 16), (3,)] * 2
    assert state.resume is None


def test_what_is_written_is_laid_out_as_caffes(caffes, tmp_path):
    state = read_state(caffes)
    resume = ResumeState(solver_type="Adam", seed=7)
    message = SolverState(iter=5, learned_net=state.learned_net, current_step=0, resume=resume)
    write_state(tmp_path / "a", message, [(blob.shape, blob.data) for blob in state.history])
    ours = read_state(tmp_path / "a")
    assert (ours.iter, ours.learned_net, ours.resume) == (5, state.learned_net, resume)
    with h5py.File(tmp_path / "a") as a, h5py.File(caffes) as b:
        assert set(a) - set(b) == {"caffelite_resume"}
        for name in ("iter", "current_step", "learned_net", *(f"history/{i}" for i in range(8))):
            one, other = a[name], b[name]
            assert (one.shape, one.dtype, one.chunks, dict(one.attrs)) == (other.shape, other.dtype, other.chunks, {})
            assert one[()].tobytes() == other[()].tobytes()
        kinds = [root["learned_net"].id.get_type() for root in (a, b)]
        assert kinds[0].equal(kinds[1])


def test_double_precision_and_ten_histories(tmp_path):
    values = [np.full(3, number / 3) for number in range(12)]  # 10 comes behind 9, not behind 1
    write_state(tmp_path / "a", SolverState(iter=1), [((3,), array) for array in values])
    state = read_state(tmp_path / "a")
    assert state.learned_net == ""
    np.testing.assert_array_equal([blob.data for blob in state.history], values)


def replace(root, name, value):
    del root[name]
    root[name] = value


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda root: root.pop("iter"), "it holds no number iter"),
        (lambda root: root.pop("current_step"), "it holds no number current_step"),
        (lambda root: replace(root, "iter", [1, 2]), "it holds no number iter"),
        (lambda root: replace(root, "iter", [np.nan]), "it holds no number iter"),
        (lambda root: replace(root, "iter", [2**40]), r"iter is 1099511627776; it is a number from 0 to 2147483647"),
        (lambda root: replace(root, "iter", [-5]), r"iter is -5; it is a number from 0 to 2147483647"),
        (lambda root: replace(root, "current_step", [-7]), "current_step is -7; it is a number from 0 to 2147483647"),
        (lambda root: replace(root, "learned_net", 7), "learned_net is no text"),
        (lambda root: replace(root, "learned_net", [b"a"]), "learned_net is no text"),
        (lambda root: root.pop("history"), "it holds no group /history"),
        (lambda root: root["history"].pop("3"), "its history blobs are not numbered from 0"),
    ],
)
def test_what_is_missing_is_named(caffes, tmp_path, change, text):
    (tmp_path / "a").write_bytes(caffes.read_bytes())
    with h5py.File(tmp_path / "a", "r+") as root:
        change(root)
    with pytest.raises(WeightsError, match=rf"a: {text}; the file is damaged"):
        read_state(tmp_path / "a")


def test_a_caffemodel_is_called_what_it_is(caffes):
    with pytest.raises(WeightsError, match=r"h5: this is a caffemodel, not a solverstate; give it as weights"):
        read_state(caffes.with_name("adam_iter_5.caffemodel.h5"))


def test_every_truncation_is_an_error(caffes, tmp_path):
    whole = caffes.read_bytes()
    paths = [tmp_path / f"cut{end}" for end in range(0, len(whole), 37)]
    for path in paths:
        path.write_bytes(whole[: int(path.name.removeprefix("cut"))])
    problems([path for path in paths if is_hdf5(path)])  # in one process; reading them starts no more
    for path in paths:
        with pytest.raises(WeightsError, match="cut"):
            read_state(path)
