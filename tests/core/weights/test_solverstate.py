import numpy as np
import pytest

from caffelite.core.errors import WeightsError
from caffelite.core.weights.solverstate import read_state, write_state
from caffelite.core.weights.wire_write import varint
from caffelite.proto.caffe_pb2 import ResumeState, SolverState


def test_a_state_that_caffe_wrote(golden_folder):
    state = read_state(golden_folder / "cli" / "constant_iter_5.solverstate")
    assert (state.iter, state.current_step, state.learned_net) == (5, 1, "constant_iter_5.caffemodel")
    assert [blob.shape for blob in state.history] == [(4, 3), (4,), (3, 4), (3,)]
    assert state.resume is None


def test_a_state_with_two_histories(golden_folder):
    state = read_state(golden_folder / "solvers" / "resume" / "adam_iter_5.solverstate")
    shapes = [(4, 3, 3, 3), (4,), (3, 16), (3,)]
    assert state.learned_net == "snap_iter_5.caffemodel"
    assert [blob.shape for blob in state.history] == shapes * 2


def test_what_is_written_is_read_back_and_caffe_can_read_it(tmp_path, dtype):
    values = np.arange(6, dtype=dtype)
    resume = ResumeState(solver_type="SGD", seed=7)
    path = tmp_path / "a.solverstate"
    write_state(
        path, SolverState(iter=3, learned_net="a.caffemodel", resume=resume), [((2, 3), values), ((6,), values)]
    )
    state = read_state(path)
    assert (state.iter, state.current_step, state.learned_net, state.resume) == (3, 0, "a.caffemodel", resume)
    np.testing.assert_array_equal([blob.data for blob in state.history], [values, values])
    parsed = SolverState.FromString(path.read_bytes())
    stored = parsed.history[0].double_data if dtype == np.float64 else parsed.history[0].data
    assert list(stored) == list(values)


def test_every_truncation_is_an_error_or_a_shorter_state(tmp_path, golden_folder):
    whole = (golden_folder / "cli" / "constant_iter_5.solverstate").read_bytes()
    path = tmp_path / "cut.solverstate"
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        try:
            assert len(read_state(path).history) < 4 or end > len(whole) - 4
        except WeightsError as err:
            assert str(path) in str(err)


def test_a_caffemodel_is_not_a_solverstate(golden_folder):
    path = golden_folder / "cli" / "constant_iter_5.caffemodel"
    with pytest.raises(WeightsError, match=r"caffemodel: this is a caffemodel, not a solverstate; give it as weights"):
        read_state(path)


def test_a_state_without_history_and_weights_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(SolverState(iter=3).SerializeToString())
    with pytest.raises(WeightsError, match="it holds neither a history nor the name of a caffemodel"):
        read_state(tmp_path / "a")


@pytest.mark.parametrize(
    ("field", "name", "value"), [(1, "iter", 2**40), (1, "iter", 2**31), (1, "iter", -5), (4, "current_step", -7)]
)
def test_numbers_that_caffe_cannot_have_written_are_refused(tmp_path, golden_folder, field, name, value):
    """Of a state without a checksum nothing else tells."""
    written = (golden_folder / "cli" / "constant_iter_5.solverstate").read_bytes()
    (tmp_path / "a").write_bytes(written + bytes([field << 3]) + varint(value & (2**64 - 1)))
    text = rf"a: {name} is {value}; it is a number from 0 to 2147483647; the file is damaged"
    with pytest.raises(WeightsError, match=text):
        read_state(tmp_path / "a")
