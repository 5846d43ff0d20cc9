import h5py
import numpy as np
import pytest

from caffelite.core.errors import WeightsError
from caffelite.core.weights import hdf5_safety
from caffelite.core.weights.hdf5 import opened, writing
from caffelite.core.weights.hdf5_safety import problems, require_safe, structure_problems


def write(path, change=lambda data: data):
    with h5py.File(path, "w") as root:
        root["data/ip/0"] = np.ones((2, 3), np.float32)
        root.create_dataset("data/ip/1", data=np.ones(3000), chunks=(1000,), compression="gzip")
    path.write_bytes(change(path.read_bytes()))
    return path


def test_whole_and_damaged_files_are_told_apart(tmp_path):
    whole = write(tmp_path / "whole")
    cut = write(tmp_path / "cut", lambda data: data[:-100])
    packed = whole.read_bytes().index(b"x\x5e")  # where compressed values begin
    garbled = write(tmp_path / "garbled", lambda data: data[: packed + 2] + b"\xff" * 8 + data[packed + 10 :])
    first, second, third = problems([whole, cut, garbled])
    assert first == ""
    for found in (second, third):  # the words behind the name of the error are libhdf5's, and change with its version
        assert found.startswith("OSError ")
    with pytest.raises(WeightsError, match=r"cut: this HDF5 file is damaged or was not copied completely \(OSError"):
        require_safe(cut)


def replace_program(monkeypatch, tmp_path, text):
    (tmp_path / "program.py").write_text(text)
    monkeypatch.setattr(hdf5_safety, "PROGRAM", tmp_path / "program.py")


def test_a_file_at_which_the_process_dies_is_refused_and_the_next_ones_are_looked_at(tmp_path, monkeypatch):
    program = "import os, sys\nfor path in sys.argv[1:]:\n    if 'bad' in path: os.abort()\n    print('ok', flush=True)"
    paths = [write(tmp_path / name) for name in ("a", "bad", "b")]
    replace_program(monkeypatch, tmp_path, program)
    assert problems(paths) == ["", "libhdf5 cannot read it: it crashed, or took too long", ""]


def test_a_process_that_never_ends_is_ended(tmp_path, monkeypatch):
    replace_program(monkeypatch, tmp_path, "import time\ntime.sleep(100)")
    monkeypatch.setattr(hdf5_safety, "START_SECONDS", 0.2)
    assert problems([write(tmp_path / "a")]) == ["reading it takes too long"]


def test_a_check_that_fails_by_itself_says_why(tmp_path, monkeypatch):
    replace_program(monkeypatch, tmp_path, "import sys\nsys.exit('no module named h5py')")
    with pytest.raises(WeightsError, match="the check of HDF5 files failed: no module named h5py"):
        problems([write(tmp_path / "a")])


def test_each_file_is_checked_once_until_it_changes(tmp_path, monkeypatch):
    path = write(tmp_path / "a")
    require_safe(path)
    with writing(tmp_path / "ours") as root:
        root["x"] = 1
    replace_program(monkeypatch, tmp_path, "raise AssertionError")
    for known in (path, tmp_path / "ours"):
        with opened(known, "caffemodel"):
            pass
    write(path, lambda data: data + b"\0")
    with pytest.raises(WeightsError, match="AssertionError"):
        require_safe(path)


def test_inside_another_program_files_are_opened_unchecked(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5_safety.sys, "executable", "/usr/bin/editor")
    assert problems([write(tmp_path / "a", lambda data: data[:-100])]) == [""]


def test_memory_and_time_have_limits(tmp_path, monkeypatch):
    """Measured at a damaged file whose group has a block of more than 4 GB; here the walk itself is made to fail."""
    program = hdf5_safety.PROGRAM.read_text()
    path = write(tmp_path / "a")
    replace_program(
        monkeypatch,
        tmp_path,
        program.replace('    with h5py.File(path, "r")', "    bytes(1 << 30)\n    with h5py.File(path, 'r')"),
    )
    assert problems([path]) == ["MemoryError "]
    endless = program.replace('    with h5py.File(path, "r")', "    while True: pass\n    with h5py.File(path, 'r')")
    replace_program(monkeypatch, tmp_path, endless.replace("SECONDS = 2", "SECONDS = 1"))
    assert problems([path]) == ["libhdf5 cannot read it: it crashed, or took too long"]


def test_of_the_structure_values_are_no_part(tmp_path, monkeypatch):
    whole, cut = write(tmp_path / "whole"), write(tmp_path / "cut", lambda data: data[:-100])
    with h5py.File(tmp_path / "rows", "w") as root:
        root.create_dataset("data", data=np.ones(3000), chunks=(1000,), compression="gzip")
        place = root["data"].id.get_chunk_info(1).byte_offset
    content = bytearray((tmp_path / "rows").read_bytes())
    content[place : place + 8] = b"\xff" * 8
    (tmp_path / "rows").write_bytes(content)
    paths = [whole, cut, tmp_path / "rows", whole]
    first, second, third, again = structure_problems(paths, ["data", 'a "name"'])
    assert (first, third, again) == ("", "", "")
    assert second.startswith("OSError ")
    assert problems([tmp_path / "rows"])[0].startswith("OSError ")
    replace_program(monkeypatch, tmp_path, "import sys\nsys.exit('asked again')")
    assert structure_problems(paths, ["data", 'a "name"']) == [first, second, third, again]
    hdf5_safety.trust(write(tmp_path / "trusted"))
    assert structure_problems([tmp_path / "trusted"], ["data"]) == [""]
    with pytest.raises(WeightsError, match="asked again"):
        structure_problems([whole], ["other"])


def test_many_files_take_several_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5_safety, "AT_ONCE", 2)
    replace_program(monkeypatch, tmp_path, "import sys\nfor path in sys.argv[2:]:\n    print(len(sys.argv))")
    paths = [write(tmp_path / str(number)) for number in range(5)]
    assert structure_problems(paths, ["data"]) == ["4", "4", "4", "4", "3"]
