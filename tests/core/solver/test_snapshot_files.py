import os
import shutil
from pathlib import Path

import pytest

from caffelite.core.errors import SolverError
from caffelite.core.solver.snapshot_files import Snapshot, SnapshotKeeper, snapshots
from caffelite.core.temporaries import new_file
from caffelite.core.weights.formats import BINARY, HDF5
from caffelite.pycaffe_solver import get_solver


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


def test_a_disk_without_room_for_a_snapshot_is_found_before_training(solvers, tmp_path, monkeypatch):
    path = solvers.write(tmp_path, f'base_lr: 1 lr_policy: "fixed" max_iter: 1\nsnapshot_prefix: "{tmp_path}/a"')
    solver = get_solver(path)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=100))
    with pytest.raises(
        SolverError, match=r"prototxt:3: .* A snapshot takes 256 B and 100 B are free in /.*; make room"
    ):
        solver.solve()
    assert solver.iter == 0
    path.write_text(path.read_text() + "\nsnapshot: 5")
    with pytest.raises(SolverError, match=r"prototxt:3: Cannot write to snapshot prefix '.*/a'\.  A snapshot takes"):
        get_solver(path)


@pytest.mark.parametrize(
    ("fields", "needed"), [("", "256 B"), ("snapshot_diff: true", "384 B"), ('type: "Adam"', "384 B")]
)
def test_diffs_and_histories_need_room_too(solvers, tmp_path, monkeypatch, fields, needed):
    """The arena of the net has two cache lines: values, and as many bytes for each history and for diffs."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=int(needed[:3])))
    text = f'lr_policy: "fixed" snapshot: 5 snapshot_prefix: "{tmp_path}/a" {fields}'
    solvers.of(text)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=int(needed[:3]) - 1))
    with pytest.raises(SolverError, match=f"A snapshot takes {needed} and"):
        solvers.of(text)


def test_names_are_caffes():
    assert Snapshot.named("folder/a", 5, BINARY) == ("folder/a_iter_5.caffemodel", "folder/a_iter_5.solverstate")
    files = Snapshot.named("a.solverstate/b", 5, HDF5)
    assert files == ("a.solverstate/b_iter_5.caffemodel.h5", "a.solverstate/b_iter_5.solverstate.h5")
    assert Snapshot.of_state(files.state_file) == files


def written(folder, *names):
    for age, name in enumerate(names):
        (folder / name).write_bytes(b"")
        os.utime(folder / name, (10**9 + age, 10**9 + age))


def test_snapshots_are_in_the_order_of_iterations_whatever_the_times_of_their_files(tmp_path):
    names = [f"a_iter_{n}.solverstate" for n in (900, 1000, 5)]
    names[2:2] = ["a_iter_6.solverstate", "a_iter_6.solverstate.h5"]
    others = ["a_iter_7.caffemodel", "b_iter_8.solverstate", "aa_iter_9.solverstate", "a_iter_x.solverstate"]
    written(tmp_path, *names, *others, "a_iter_5_iter_6.solverstate", ".a_iter_5.solverstate.1.tmp")
    found = [Path(snapshot.state_file).name for snapshot in snapshots(f"{tmp_path}/a")]
    assert found == [names[place] for place in (1, 0, 3, 2, 4)]
    assert snapshots(f"{tmp_path}/nowhere/a") == []


def test_a_prefix_without_folder_is_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "_iter_3.solverstate", "a_iter_3.solverstate")
    assert snapshots("") == [("_iter_3.caffemodel", "_iter_3.solverstate")]
    assert snapshots("a") == [("a_iter_3.caffemodel", "a_iter_3.solverstate")]


def test_only_the_newest_are_kept_and_none_is_removed_before_the_next_is_complete(solvers, tmp_path):
    solver = solvers.of(f'base_lr: 0.1 lr_policy: "fixed" snapshot: 2 snapshot_prefix: "{tmp_path}/a"')
    written(tmp_path, "a_iter_999.solverstate", "a_iter_999.caffemodel", "b_iter_1.solverstate")
    keeper = SnapshotKeeper(f"{tmp_path}/a", 2)
    seen = []
    solver.events.add(lambda event: seen.append(sorted(path.name for path in tmp_path.iterdir())))
    solver.events.add(keeper)
    solver.step(6)
    last = {f"a_iter_{n}.{kind}" for n in (4, 6) for kind in ("caffemodel", "solverstate")}
    assert {path.name for path in tmp_path.iterdir()} == {"b_iter_1.solverstate", *last}
    counts = [sum(name.startswith("a_") and name.endswith("state") for name in names) for names in seen]
    assert min(counts) == 1
    assert min(counts[counts.index(2) :]) == 2


def test_an_old_snapshot_that_cannot_be_removed_costs_one_warning_and_not_the_training(solvers, tmp_path, caplog):
    solver = solvers.of(f'base_lr: 0.1 lr_policy: "fixed" snapshot: 2 snapshot_prefix: "{tmp_path}/a"')
    (tmp_path / "a_iter_1.solverstate" / "a folder").mkdir(parents=True)
    solver.events.add(SnapshotKeeper(f"{tmp_path}/a", 1))
    with caplog.at_level("WARNING"):
        solver.step(6)
    names = {"a_iter_1.solverstate", "a_iter_6.solverstate", "a_iter_6.caffemodel"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert [text for text in caplog.messages if "cannot be removed" in text] == [
        f"--keep_snapshots: {tmp_path}/a_iter_1.solverstate cannot be removed (Is a directory); it is kept"
    ]


def test_what_killed_runs_left_unfinished_is_removed(solvers, tmp_path):
    names = [".a_iter_5.caffemodel.0123abcd.tmp", ".a_iter_5.solverstate.h5.0123abcd.tmp"]
    others = {".b_iter_5.caffemodel.0123abcd.tmp", "a_iter_5.caffemodel"}
    written(tmp_path, *names, *others)
    with new_file(tmp_path / "a_iter_6.caffemodel") as (path, descriptor):
        solvers.of(f'base_lr: 0.1 lr_policy: "fixed" snapshot: 2 snapshot_prefix: "{tmp_path}/a"')
        os.close(descriptor)
        assert {path.name for path in tmp_path.iterdir()} == {*others, path.name}


def test_a_snapshot_without_an_interval_makes_the_folder_too(solvers, tmp_path):
    path = solvers.write(tmp_path, f'base_lr: 1 lr_policy: "fixed" snapshot_prefix: "{tmp_path}/made/"')
    assert get_solver(path).snapshot() == (
        f"{tmp_path}/made/solver_iter_0.caffemodel",
        f"{tmp_path}/made/solver_iter_0.solverstate",
    )
    path.write_text(path.read_text().replace("made/", "net.prototxt/"))
    with pytest.raises(
        SolverError, match=r"prototxt:2: Cannot write to snapshot prefix '.*net\.prototxt/solver_iter_0'"
    ):
        get_solver(path).snapshot()
