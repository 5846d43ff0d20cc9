import os

import pytest
from google.protobuf import text_format

from caffelite.core.errors import PrototxtError, SolverError
from caffelite.core.solver.file import SolverFile, read_solver_file, solver_file
from caffelite.proto.caffe_pb2 import SolverParameter


@pytest.fixture
def write(tmp_path):
    def make(text):
        (tmp_path / "lenet.solver.prototxt").write_text(text)
        return tmp_path / "lenet.solver.prototxt"

    return make


def test_the_prefix_of_snapshots_is_the_file_by_default(write, tmp_path, caplog):
    caplog.set_level("INFO", "caffelite")
    prefix = str(tmp_path / "lenet.solver")
    assert read_solver_file(write("base_lr: 1")).param.snapshot_prefix == prefix
    assert caplog.messages == [f"snapshot_prefix was not specified and is set to {prefix}"]


def test_a_folder_as_prefix_gets_the_name_of_the_file(write, tmp_path, caplog):
    caplog.set_level("INFO", "caffelite")
    prefix = os.path.join(tmp_path, "lenet.solver")
    assert read_solver_file(write(f'snapshot_prefix: "{tmp_path}"')).param.snapshot_prefix == prefix
    assert caplog.messages == [f"snapshot_prefix was a directory and is replaced to {prefix}"]


def test_a_prefix_that_ends_in_a_slash_is_a_folder_before_it_exists_and_after(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write('snapshot_prefix: "snapshots/"')
    assert read_solver_file(path).param.snapshot_prefix == "snapshots/lenet.solver"
    (tmp_path / "snapshots").mkdir()
    assert read_solver_file(path).param.snapshot_prefix == "snapshots/lenet.solver"


def test_another_prefix_stays(write):
    assert read_solver_file(write('snapshot_prefix: "a/b"')).param.snapshot_prefix == "a/b"


def test_the_old_type_is_replaced(write):
    param = read_solver_file(write("solver_type: NESTEROV")).param
    assert (param.type, param.HasField("solver_type")) == ("Nesterov", False)
    memory = SolverParameter(solver_type=SolverParameter.ADAM)
    assert solver_file(memory).param.type == "Adam"
    assert not memory.HasField("type")


def test_files_are_found_as_written_or_beside_the_solver_or_above_it(write, tmp_path, monkeypatch):
    name = "nets/net.prototxt"
    file = read_solver_file(write(f'base_lr: 1\nnet: "{name}"'))
    monkeypatch.chdir("/")
    with pytest.raises(SolverError) as caught:
        file.find("net", name)
    assert str(caught.value) == (
        f'{file.path}:2: net is "{name}"; there is no such file '
        f"(tried /{name}, {tmp_path}/{name} and the folders above {tmp_path})"
    )
    (tmp_path / "nets").mkdir()
    (tmp_path / name).touch()
    assert file.find("net", name) == tmp_path / name
    (tmp_path / "nets").rename(tmp_path.parent / "nets")
    assert file.find("net", name) == tmp_path.parent / name
    (tmp_path.parent / "nets").rename(tmp_path / "nets")
    monkeypatch.chdir(tmp_path)
    assert str(file.find("net", name)) == name


def test_a_message_has_no_lines(tmp_path):
    file = SolverFile(SolverParameter())
    assert str(file.refusal("iter_size", 0, "use 1")) == "iter_size is 0; use 1"
    with pytest.raises(SolverError, match=r'^net is "nowhere"; there is no such file \(tried [^ ]*nowhere\)$'):
        file.find("net", "nowhere")


def test_a_net_given_as_solver(golden_folder):
    with pytest.raises(PrototxtError, match="this describes a net, not a solver"):
        read_solver_file(golden_folder / "cli" / "net.prototxt")


@pytest.mark.parametrize("source", ["file", "message"])
def test_what_was_upgraded_is_logged_once(write, caplog, source):
    from caffelite import get_solver

    text = """solver_type: NESTEROV lr_policy: "fixed" net_param { layer { name: "a" type: "DummyData" top: "a"
        dummy_data_param { shape { dim: 1 } } } }"""
    param = text_format.Parse(text, SolverParameter())
    with caplog.at_level("INFO", "caffelite"):
        get_solver(write(text) if source == "file" else param)
    for start in ("Attempting to upgrade", "Successfully upgraded"):
        assert sum(text.startswith(start) and "deprecated 'solver_type' field" in text for text in caplog.messages) == 1
