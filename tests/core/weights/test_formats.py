import h5py
import pytest

from caffelite.core.weights.formats import BINARY, HDF5, SUFFIXES, format_of, format_to_write
from caffelite.proto.caffe_pb2 import ResumeState, SolverParameter, SolverState


def test_contents_tell_the_format_and_names_do_not(tmp_path):
    with h5py.File(tmp_path / "w.caffemodel", "w"):
        pass
    (tmp_path / "w.caffemodel.h5").write_bytes(b"\x0a\x01x")
    names = ["w.caffemodel", "w.caffemodel.h5", "nowhere.h5"]
    assert [format_of(tmp_path / name) for name in names] == [HDF5, BINARY, BINARY]


def test_snapshot_format_chooses_what_is_written():
    assert format_to_write(SolverParameter()) is BINARY
    assert format_to_write(SolverParameter(snapshot_format=SolverParameter.HDF5)) is HDF5
    assert SUFFIXES == ("", ".h5")


@pytest.mark.parametrize("form", [BINARY, HDF5])
def test_a_state_is_read_by_the_format_that_wrote_it(tmp_path, form):
    form.write_state(tmp_path / "s", SolverState(iter=7, learned_net="w", resume=ResumeState(seed=3)), [])
    assert format_of(tmp_path / "s") is form
    state = form.read_state(tmp_path / "s")
    assert (state.iter, state.resume.seed) == (7, 3)
