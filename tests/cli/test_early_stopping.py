"""`caffelite train` with early_stopping, best_snapshot, "plateau" and a warm-up: run, killed, resumed."""

import signal

import numpy as np
import pytest

from caffelite.core.weights.formats import format_of

TRAIN = ("train", "solver.prototxt")
SOLVER = """net: "net.prototxt" base_lr: 0.01 momentum: 0.9 random_seed: 3 iter_size: 2 max_iter: 400
lr_policy: "plateau" gamma: 0.5 lr_plateau { output: "lstm_loss" patience: 2 cooldown: 1 }
lr_warmup { iterations: 25 start: 0.25 }
test_iter: 2 test_interval: 10 snapshot: 15 snapshot_prefix: "tiny" display: 10
best_snapshot { output: "loss" }
early_stopping { output: "loss" patience: 7 }
"""


@pytest.fixture
def deciding(folder, resumable_net):
    (folder / "net.prototxt").write_text(resumable_net)

    def write(format="BINARYPROTO"):
        (folder / "solver.prototxt").write_text(f"{SOLVER}snapshot_format: {format}\n")

    write()
    return write


def result_of(folder, suffix):
    """Return all that the newest and the best solverstate say, without times, and the weights' bytes."""
    newest = max(folder.glob(f"tiny_iter_*.solverstate{suffix}"), key=lambda path: int(path.name.split(".")[0][10:]))
    found = {}
    for path in (newest, folder / f"tiny_best.solverstate{suffix}"):
        state = format_of(path).read_state(path)
        kept = (state.iter, state.current_step, list(state.resume.score), list(state.resume.net), state.learned_net)
        found[path.name] = kept, [np.array(blob.data).tobytes() for blob in state.history], state.resume.model_crc32
    return found


def decisions(lines):
    return [line for line in lines if line.startswith(("Best so far", "Learning rate lowered", "Early stopping"))]


@pytest.mark.parametrize("format", ["BINARYPROTO", "HDF5"])
def test_a_killed_run_ends_where_an_uninterrupted_one_does(
    caffelite, program, started_program, folder, deciding, texts, format
):
    suffix = ".h5" if format == "HDF5" else ""
    deciding(format)
    straight = program(*TRAIN)
    assert straight.status == 0
    told = decisions(straight.texts)
    assert {line.split()[0] for line in told} == {"Best", "Learning", "Early"}
    assert told[-1].startswith("Early stopping at iteration ")
    assert straight.texts[-2:] == ["Optimization Done.", "Optimization Done."]
    expected = result_of(folder, suffix)
    end = max(state[0][0] for state in expected.values())
    assert 60 < end < 400
    assert straight.texts.count(f"Iteration {end}, Testing net (#0)") == 1  # not once more at the end
    for path in folder.glob("tiny_*"):
        path.unlink()

    process = started_program(*TRAIN)
    for line in process.stderr:
        if "Snapshotting solver state" in line and "iter_45" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    resumed = caffelite(*TRAIN, "--snapshot=auto")
    assert resumed.status == 0
    [line] = [line for line in resumed.texts if line.startswith("Resuming from tiny_iter_")]
    begun = int(line.removeprefix("Resuming from tiny_iter_").split(".")[0])
    assert begun in (30, 45)
    again = decisions(resumed.texts)
    assert again == told[-len(again) :]
    assert result_of(folder, suffix) == expected
    assert not [path for path in folder.iterdir() if path.name.endswith(".tmp")]

    once_more = caffelite(*TRAIN, "--snapshot=auto")
    last = [line for line in told if f" at iteration {end}:" in line]
    assert (once_more.status, decisions(once_more.texts)) == (0, last)
    assert result_of(folder, suffix) == expected


def test_auto_and_keep_snapshots_leave_the_best_alone(caffelite, folder, deciding):
    assert caffelite(*TRAIN, "--iterations=30", "--keep_snapshots=1").status == 0
    assert {path.name for path in folder.glob("tiny*")} == {
        f"tiny_{name}.{kind}" for name in ("best", "iter_30") for kind in ("caffemodel", "solverstate")
    }
    for path in folder.glob("tiny_iter_*"):
        path.unlink()
    result = caffelite(*TRAIN, "--iterations=10", "--snapshot=auto")
    assert "There is no snapshot tiny_iter_N yet: training begins" in result.texts
    result = caffelite(*TRAIN, "--iterations=60", "--snapshot=tiny_best.solverstate")
    assert (result.status, "Resuming from tiny_best.solverstate" in result.texts) == (0, True)


def test_a_wrong_output_is_refused_with_line_and_the_right_name(caffelite, folder, deciding):
    text = (folder / "solver.prototxt").read_text()
    (folder / "solver.prototxt").write_text(
        text.replace('early_stopping { output: "loss"', 'early_stopping { output: "lstm_los"')
    )
    result = caffelite(*TRAIN)
    assert (result.status, result.error) == (
        1,
        'caffelite: error: solver.prototxt:6: early_stopping.output is "lstm_los", which is no output of test net 0; '
        'did you mean "lstm_loss"?',
    )
