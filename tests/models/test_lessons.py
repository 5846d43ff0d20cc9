"""models/lessons: each runs from its command, prints what its page shows, and reproduces its figures."""

import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from caffelite.examples.scene import grey
from caffelite.proto.caffe_pb2 import TRAIN
from caffelite.pycaffe import Net

FOLDER = Path(__file__).resolve().parents[2] / "models" / "lessons"
LESSONS = sorted(page.parent.name for page in FOLDER.glob("*/lesson.md"))
ENVIRONMENT = os.environ | {"PYTHONPATH": str(FOLDER.parents[1])}
MOST_KILOBYTES = 100
MOST_LINES = 90  # one page


@functools.cache
def run(name):
    """Return what the lesson prints and the names of the files it makes."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "caffelite", "lesson", name],
            capture_output=True,
            text=True,
            timeout=600,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            env=ENVIRONMENT,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, {path.name for path in Path(folder, "lessons", name).glob("*")}


def rows_after(output, line):
    """Return the numbers of the indented lines after `line`, up to the first other line, as rows."""
    rows = []
    for text in output.partition(f"{line}\n")[2].splitlines():
        if not re.fullmatch(r"    [-+.e\d ]+", text):
            break
        rows.append([float(word) for word in text.split()])
    return rows


def shown_output(page):
    """Return the pieces of output that a page shows: what stands in ```text, at lines of three dots cut in pieces."""
    blocks = re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [piece for block in blocks for piece in re.split(r"^\.\.\.\n", block, flags=re.MULTILINE) if piece]


@pytest.mark.parametrize("name", LESSONS)
def test_a_page_has_its_command_a_question_and_small_pictures(name):
    page = (FOLDER / name / "lesson.md").read_text()
    assert page.startswith("# ")
    assert f"\ncaffelite lesson {name}\n" in page
    assert "**Question.**" in page and "<details><summary>Answer</summary>" in page
    assert len(page.splitlines()) <= MOST_LINES
    pictures = re.findall(r"!\[[^]]+\]\(([\w.]+)\)", page)
    assert pictures and {path.name for path in (FOLDER / name).glob("*.png")} == set(pictures)
    for picture in pictures:
        assert (FOLDER / name / picture).stat().st_size < MOST_KILOBYTES * 1000


@pytest.mark.slow
@pytest.mark.parametrize("name", LESSONS)
def test_runs_and_prints_what_its_page_shows(name):
    output, files = run(name)
    pieces = shown_output((FOLDER / name / "lesson.md").read_text())
    assert pieces
    for piece in pieces:
        assert piece in output
    assert {path.name for path in (FOLDER / name).glob("*.png")} <= files


@pytest.mark.parametrize("name", ["small", "larger", "stride2", "stride3"])
def test_backward_by_hand_compares_bias_gradients_of_nets_that_have_a_bias(name):
    net = Net(FOLDER / "backward_by_hand" / f"{name}.prototxt", TRAIN)
    assert [blob.data.ndim for blob in net.params["conv"]] == [4, 1]


@pytest.mark.slow
def test_backward_by_hand():
    output, _ = run("backward_by_hand")
    assert rows_after(output, "dL/dw = (0 1 2 3) times the columns transposed:") == [[19, 25, 37, 43]]
    assert rows_after(output, "dL/db = the sum of the top gradient:") == [[6]]
    columns = [[0, 0, 0, 0], [0, 1, 2, 3], [0, 2, 4, 6], [0, 3, 6, 9]]
    assert rows_after(output, "dL/dcolumns = w transposed, times the top gradient:") == columns
    bottom = [[0, 0, 1], [0, 4, 6], [4, 12, 9]]
    assert rows_after(output, "The one cross-correlated with the other, dL/dx again:") == bottom
    assert rows_after(output, "  filter 0:") == [[564, 586, 630, 652], [762, 784, 828, 850], [960, 982, 1026, 1048]]
    assert rows_after(output, "  filter 1:") == [
        [812, 850, 926, 964],
        [1154, 1192, 1268, 1306],
        [1496, 1534, 1610, 1648],
    ]
    samples = [
        [[48, 112, 66], [128, 296, 172], [88, 200, 114]],
        [[64, 152, 90], [176, 408, 236], [120, 272, 154]],
        [[80, 192, 114], [224, 520, 300], [152, 344, 194]],
        [[144, 320, 178], [352, 776, 428], [216, 472, 258]],
        [[224, 488, 266], [528, 1144, 620], [312, 672, 362]],
        [[304, 656, 354], [704, 1512, 812], [408, 872, 466]],
    ]
    for sample in (0, 1):
        words = output.partition(f"dL/dx of sample {sample + 1}, its three channels:\n")[2].split()[:27]
        assert [float(word) for word in words] == [
            value for channel in samples[3 * sample : 3 * sample + 3] for row in channel for value in row
        ]
    assert (
        output.count("bottom gradient: im2col = the definition = caffelite's net = PyTorch = finite differences") == 4
    )


@pytest.mark.slow
def test_forward_by_position():
    output, _ = run("forward_by_position")
    assert "top (10, 16, 14, 14)\n" in output
    assert f"{10 * 16 * 14 * 14:,} positions, {32 * 9} products each" in output
    assert "top: the definition = im2col = caffelite's net\n" in output
    assert "sum of squares: the definition = PyTorch\n" in output
    kernel = rows_after(
        output, "With the kernel turned by 180 degrees first, the convolution of mathematics, the kernel itself:"
    )
    assert [row[1:4] for row in kernel[1:4]] == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


@pytest.mark.slow
def test_nine_kernels():
    output, _ = run("nine_kernels")
    sums = re.findall(r"^(\S.*?) +sum of the weights +(-?[\d.]+), .* it makes +(-?[\d.]+)$", output, re.MULTILINE)
    assert {name: float(total) for name, total, _ in sums} == {
        "sharpen": 1,
        "vertical edge": 0,
        "surround": -1,
        "Sobel-Y": 0,
        "nothing": 1,
        "horizontal edge": 0,
        "blur": 0.99,
        "Sobel-X": 0,
        "emboss": 0,
    }
    assert all(float(flat) == round(float(total) / 2, 3) for _, total, flat in sums)
    assert output.count("caffelite's net = PyTorch, within") == 12


@pytest.mark.slow
def test_learn_a_kernel():
    output, _ = run("learn_a_kernel")
    line = next(line for line in output.splitlines() if line.startswith("Below 1e-07 after "))
    kernel = rows_after(output, line)
    assert max(abs(w - true) for w, true in zip(sum(kernel, []), (0, -1, 0, 0, 2, 0, 0, -1, 0), strict=True)) <= 0.0105
    by_pytorch = json.loads((FOLDER / "learn_a_kernel" / "by_pytorch.json").read_text())
    iterations = int(line.split()[3].replace(",", ""))
    assert abs(iterations - by_pytorch["iterations"]) <= 2
    within = re.search(r"^Within 0.003 of it after ([\d,]+) iterations", output, re.MULTILINE)
    assert within and int(within[1].replace(",", "")) > iterations
    others = re.findall(
        r"([\d,]+) iterations, no weight further than ([\d.]+) from the true one$", output, re.MULTILINE
    )
    assert others[0] == (f"{iterations:,}", "0.010")
    assert abs(int(others[1][0].replace(",", "")) - 3460) < 100  # a tutorial's count, on an image of its own
    assert float(others[2][1]) <= 0.003  # how near it came
    # the same rule, by the eigenvalues of an image's mean products
    image = 2 * grey(80).astype(float) - 1
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3)).reshape(-1, 9)
    curvature, directions = np.linalg.eigh(windows.T @ windows / len(windows))
    wrong = directions.T @ (0, -1, 0, 0, 2, 0, 0, -1, 0)
    losses = [(curvature * (wrong * (1 - curvature / 2) ** n) ** 2).sum() / 2 for n in (3489, 3493)]
    assert losses[0] >= 1e-7 > losses[1]


@pytest.mark.slow
def test_a_kernel_is_learned_by_the_prototxt_alone(tmp_path):
    solver = FOLDER / "learn_a_kernel" / "solver.prototxt"
    command = [sys.executable, "-m", "caffelite", "train", "--solver", str(solver), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=tmp_path, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    weights = tmp_path / "snapshots" / "learn_a_kernel_iter_20000.caffemodel"
    net = Net(solver.with_name("train.prototxt"), TRAIN, weights=weights)
    np.testing.assert_allclose(net.params["conv"][0].data[0, 0], [[0, -1, 0], [0, 2, 0], [0, -1, 0]], atol=0.002)


def test_the_images_are_rows_of_hdf5_datasets():
    folder = FOLDER / "learn_a_kernel"
    net = Net(folder / "train.prototxt", TRAIN)
    assert [layer.type for layer in net.layers][0] == "HDF5Data"
    assert "Parameter" not in [layer.type for layer in net.layers]
    with h5py.File(folder / "learn_a_kernel.h5") as file:
        stored = {name: dataset[...] for name, dataset in file.items()}
    image, filtered = (stored[name][0, 0].astype(float) for name in ("image", "filtered"))
    np.testing.assert_allclose(image, grey(80), atol=0.01)
    np.testing.assert_allclose(filtered, 2 * image[1:-1, 1:-1] - image[:-2, 1:-1] - image[2:, 1:-1], atol=1e-6)
    for _ in range(2):
        net.forward()
        for name, values in stored.items():
            np.testing.assert_array_equal(net.blobs[name].data, values)


@pytest.mark.slow
def test_pooling():
    output, _ = run("pooling")
    largest = np.zeros((5, 5))
    largest[1, 0], largest[2, 2] = 1, 2 + 3 + 4
    np.testing.assert_array_equal(rows_after(output, "Gradient of the pixels, max:"), largest)
    average = np.array(rows_after(output, "Gradient of the pixels, average:"))
    assert average[2, 2] == 1.111 and average[0, 0] == 0.111
    assert average.sum() == pytest.approx(1 + 2 + 3 + 4, abs=0.01)
    assert output.count("within 1e-09") == 2 + 2 * 2
    times = re.findall(r"^(\S.*?) +max +([\d.]+) ms, average +([\d.]+) ms$", output, re.MULTILINE)
    assert [way for way, *_ in times] == ["caffelite's net", "loops, compiled", "im2col in numpy"]
    assert all(float(time) > 0 for _, *both in times for time in both)


@pytest.mark.slow
def test_direct_or_im2col():
    output, _ = run("direct_or_im2col")
    ways = "definition, Python = loops, compiled = im2col, made again = im2col, kept"
    for part in ("top", "weight", "bias", "bottom"):
        assert f"{part}: {ways}\n{part}, sums: im2col = PyTorch\n" in output
    assert f"{10 * 16 * 14 * 14 * 32 * 9:,} products" in output
    times = re.findall(r"^(\S.*?) +forward +([\d.]+) ms, backward +([\d.]+) ms$", output, re.MULTILINE)
    totals = {way: float(forward) + float(backward) for way, forward, backward in times}
    assert len(totals) == 5
    assert max(totals, key=totals.get) == "definition, Python"
    assert totals["caffelite's net"] < totals["loops, compiled"]


TINY = FOLDER / "tiny_caffe.py"


@pytest.mark.slow
def test_tiny_caffe():
    output, _ = run("tiny_caffe")
    assert "losses: tiny_caffe = caffelite = PyTorch, within 1e-06\n" in output
    for name in ("conv1", "conv2", "ip1"):
        for part in ("weights", "bias"):
            assert f"{name}, {part}: tiny_caffe = caffelite, within 1e-06\n" in output
            assert f"{name}, {part}, sums: tiny_caffe = PyTorch, within 1e-09\n" in output
    assert float(re.search(r"It knows ([\d.]+)%", output)[1]) > 90


def test_tiny_caffe_is_200_lines_of_numpy():
    text = TINY.read_text()
    assert len(text.splitlines()) <= 200
    imports = re.findall(r"^(?:import|from) ([\w.]+)", text, re.MULTILINE)
    assert set(imports) == {"ast", "re", "sys", "pathlib", "numpy"}


@pytest.mark.slow
def test_tiny_caffe_trains_by_itself(tmp_path):
    digits = FOLDER.parents[1] / "caffelite" / "datasets" / "digits.npz"
    command = [sys.executable, str(TINY), str(FOLDER / "tiny_caffe" / "solver.prototxt"), str(digits)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) > 0.9
