"""`caffelite train` with --snapshot auto, --keep_snapshots and --on_nan."""

import pytest

TRAIN = ("train", "--solver=solver.prototxt")


def warnings_of(result):
    return [line for line in result.err.splitlines() if line.startswith("W")]


def files(folder):
    return {path.name for path in folder.iterdir()} - {"net.prototxt", "solver.prototxt"}


def names(prefix, *iterations):
    return {f"{prefix}_iter_{n}.{kind}" for n in iterations for kind in ("caffemodel", "solverstate")}


def test_auto_begins_and_then_goes_on(caffelite, solver_with, folder):
    solver_with(snapshot="2", max_iter="4")
    first = caffelite(*TRAIN, "--snapshot=auto")
    assert first.status == 0
    assert "There is no snapshot tiny_iter_N yet: training begins" in first.texts
    second = caffelite(*TRAIN, "--snapshot", "auto", "--iterations=6")
    assert second.status == 0
    assert "Resuming from tiny_iter_4.solverstate" in second.texts
    assert files(folder) == names("tiny", 2, 4, 6)


def test_auto_finds_the_snapshots_of_a_folder_that_the_first_run_made(caffelite, solver_with, folder):
    solver_with(snapshot_prefix='"made/here/"')
    assert caffelite(*TRAIN, "--snapshot=auto").status == 0
    assert files(folder / "made" / "here") == names("solver", 4)
    assert "Resuming from made/here/solver_iter_4.solverstate" in caffelite(*TRAIN, "--snapshot=auto").texts


def test_auto_takes_the_snapshot_before_a_damaged_one_and_says_so(caffelite, solver_with, folder):
    solver_with(snapshot="2", max_iter="6")
    assert caffelite(*TRAIN).status == 0
    whole = (folder / "tiny_iter_6.caffemodel").read_bytes()
    (folder / "tiny_iter_6.caffemodel").write_bytes(whole[:-1])
    (folder / "tiny_iter_4.caffemodel").write_bytes(b"")
    result = caffelite(*TRAIN, "--snapshot=auto")
    assert result.status == 0
    assert "Resuming from tiny_iter_2.solverstate" in result.texts
    damaged, empty = (line.partition("] ")[2] for line in warnings_of(result))
    assert damaged.startswith("tiny_iter_6.solverstate cannot be used: tiny_iter_6.caffemodel is not as it was written")
    assert empty.startswith("tiny_iter_4.solverstate cannot be used: tiny_iter_4.caffemodel is not as it was written")
    assert (folder / "tiny_iter_6.caffemodel").read_bytes() == whole


def test_auto_without_any_whole_snapshot_is_an_error_not_a_new_beginning(caffelite, folder):
    (folder / "tiny_iter_4.solverstate").write_bytes(b"")
    result = caffelite(*TRAIN, "--snapshot=auto")
    assert result.status == 1
    assert "no snapshot can be used (tiny_iter_4.solverstate): mend or remove them" in result.error


def test_auto_finetunes_only_the_first_time(caffelite, solver_with, folder):
    assert caffelite(*TRAIN).status == 0
    (folder / "tiny_iter_4.caffemodel").rename(folder / "w.caffemodel")
    (folder / "tiny_iter_4.solverstate").unlink()
    words = (*TRAIN, "--weights=w.caffemodel", "--snapshot=auto", "--iterations=2")
    assert "Finetuning from w.caffemodel" in caffelite(*words).texts
    again = caffelite(*words)
    assert (again.status, "Finetuning from w.caffemodel" in again.texts) == (0, False)


@pytest.mark.parametrize("format", ["HDF5", "BINARYPROTO"])
def test_only_so_many_snapshots_are_kept(caffelite, solver_with, folder, format):
    solver_with(snapshot="1", max_iter="5", snapshot_format=format)
    (folder / "tinyer_iter_1.solverstate").write_bytes(b"")
    assert caffelite(*TRAIN, "--keep-snapshots=2").status == 0
    kept = {path.removesuffix(".h5") for path in files(folder)}
    assert kept == {"tinyer_iter_1.solverstate", *names("tiny", 4, 5)}


def test_keeping_a_negative_number_is_refused(caffelite):
    result = caffelite(*TRAIN, "--keep_snapshots=-1")
    assert (result.status, result.error) == (1, "caffelite: error: --keep_snapshots is -1; use 0 or more")


DIVERGING = {"base_lr": "1e30", "snapshot": "1", "max_iter": "20", "test_iter": None, "test_interval": None}


def diverging_net(folder):
    text = (folder / "net.prototxt").read_text().replace("SoftmaxWithLoss", "EuclideanLoss")
    (folder / "net.prototxt").write_text(text.replace("shape { dim: 4 }", "shape { dim: 4 dim: 2 }"))


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_last_snapshot(caffelite, solver_with, folder):
    diverging_net(folder)
    solver_with(**DIVERGING)
    result = caffelite(*TRAIN)
    assert result.status == 1
    assert "iteration 1: the loss is inf; it began with " in result.error
    assert "the last snapshot is tiny_iter_1.solverstate. Use a smaller base_lr" in result.error
    assert files(folder) == names("tiny", 1)


def test_it_can_be_ignored(caffelite, solver_with, folder):
    diverging_net(folder)
    solver_with(**DIVERGING)
    assert caffelite(*TRAIN, "--on-nan=ignore").status == 0
    assert names("tiny", 1, 20) <= files(folder)
    result = caffelite(*TRAIN, "--on-nan=later")
    assert result.status == 1
    assert "illegal value 'later' specified for string flag 'on_nan'; use stop or ignore" in result.error
