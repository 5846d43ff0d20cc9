"""A net in 200 lines: tiny_caffe.py and caffelite train the same net, and end with the same weights."""

import json
import sys
from pathlib import Path

import numpy as np

import caffelite
from caffelite.core.prototxt.parse import read_solver
from caffelite.examples.lessons import agree, heading, keep, picture, question
from caffelite.testing.differences import differences

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import tiny_caffe  # noqa: E402  (its folder is known only here)

BY_PYTORCH = json.loads((HERE / "by_pytorch.json").read_text())
DIGITS = Path(caffelite.__file__).parent / "datasets" / "digits.npz"
TOGETHER = 20
TESTED = 360


def same_weights(shape):
    """Return weights as large as the filler "xavier" makes them, without random numbers."""
    return (np.sin(np.arange(np.prod(shape)) ** 2.0) * np.sqrt(3 / np.prod(shape[1:]))).reshape(shape)


def accuracy(scores, labels):
    """Return the share of samples whose largest score is that of their label."""
    return (scores.argmax(1) == labels).mean()


with np.load(DIGITS) as digits:
    images, labels = digits["images"][:, np.newaxis] / 16, digits["labels"].astype(int)


def batch(iteration):
    """Return images and labels of an iteration."""
    chosen = np.arange(64 * iteration, 64 * iteration + 64) % (len(labels) - TESTED)
    return images[chosen], labels[chosen]


heading("1. Two programs, one prototxt")
lines = Path(tiny_caffe.__file__).read_text().splitlines()
print(f"tiny_caffe.py: {len(lines)} lines")
settings = tiny_caffe.parse((HERE / "solver.prototxt").read_text())
tiny, rounded = (tiny_caffe.Net((HERE / "train.prototxt").read_text()) for _ in range(2))
param = read_solver(HERE / "solver.prototxt")[0]
param.net, param.display, param.snapshot_after_train = str(HERE / "train.prototxt"), 0, False
solver = caffelite.SGDSolver(param, dtype=np.float64)
names = [name for name, layer in tiny.layers.items() if layer.params]
assert names == list(solver.net.params)
for name in names:
    ours, theirs = tiny.layers[name].params, [blob.data for blob in solver.net.params[name]]
    ours[0][...] = theirs[0][...] = rounded.layers[name].params[0][...] = same_weights(theirs[0].shape)
    print(f"{name}: weights {ours[0].shape}, bias {ours[1].shape}")
count = sum(values.size for name in names for values in tiny.layers[name].params)
print(f"{count:,} parameters")

heading(f"2. {TOGETHER} iterations side by side")
question("both do the same products and sums. Will the parameters be equal to the last bit?")
losses = []
as_float32 = {
    field: [float(np.float32(value)) if isinstance(value, float) else value for value in values]
    for field, values in settings.items()
}
for iteration in range(TOGETHER):
    data, label = batch(iteration)
    solver.net.blobs["data"].data[...], solver.net.blobs["label"].data[...] = data, label
    solver.step(1)
    rounded.step(as_float32, data, label)
    losses.append((tiny.step(settings, data, label), float(solver.net.blobs["loss"].data)))
ways = {"tiny_caffe": [loss for loss, _ in losses], "caffelite": [loss for _, loss in losses]}
agree(
    "losses", {way: np.array(found) for way, found in (ways | {"PyTorch": BY_PYTORCH["losses"]}).items()}, within=1e-6
)
apart, rounded_apart = [], []
for number, name in enumerate(names):
    for part, values in enumerate(tiny.layers[name].params):
        what, blob = f"{name}, {('weights', 'bias')[part]}", solver.net.params[name][part].data
        apart.append(abs(values - blob).max())
        rounded_apart.append(abs(rounded.layers[name].params[part] - blob).max())
        agree(what, {"tiny_caffe": values, "caffelite": blob}, within=1e-6)
        sums = np.array([values.sum(), (values**2).sum()])
        torch_sums = np.array(BY_PYTORCH["sums"][2 * number + part])
        agree(f"{what}, sums", {"tiny_caffe": sums, "PyTorch": torch_sums}, within=1e-9)
assert max(rounded_apart) < 1e-12
print(f"No: of all {count:,} the largest difference is {max(apart):.1g}.")
momentum = as_float32["momentum"][0]
print(f"The numbers of a prototxt are float32 in Caffe: its momentum is {momentum:.9f}, tiny_caffe's is 0.9.")
print("With the settings rounded as Caffe's are, the largest difference is below 1e-12. That is left because sums")
print("are made in another order.")

heading("3. Are the gradients of tiny_caffe right?")
tiny.loss(*batch(0))  # not before: with biases of 0, blank paper lies on the kink of ReLU
for name in names:
    layer = tiny.layers[name]
    bias_diff = layer.diffs[1].copy()
    slopes = differences(lambda: tiny.loss(*batch(0)), layer.params[1], step=1e-6)
    agree(f"bias gradient of {name}", {"tiny_caffe": bias_diff, "finite differences": slopes}, within=1e-6)

heading(f"4. On to iteration {param.max_iter}, tiny_caffe alone")
curve = ways["tiny_caffe"]
for iteration in range(TOGETHER, param.max_iter):
    curve.append(tiny.step(settings, *batch(iteration)))
    if iteration % 100 == 0:
        print(f"Iteration {iteration}, loss = {curve[-1]:.3g}", flush=True)
known = accuracy(tiny.scores(images[-TESTED:]), labels[-TESTED:])
print(f"It knows {known:.1%} of the last {TESTED} digits, which it was not trained on.")
for name in names:
    for blob, values in zip(solver.net.params[name], tiny.layers[name].params, strict=True):
        blob.data[...] = values
solver.net.blobs["data"].reshape(TESTED, 1, 8, 8)
solver.net.blobs["label"].reshape(TESTED)
solver.net.blobs["label"].data[...] = labels[-TESTED:]
solver.net.blobs["data"].data[...] = images[-TESTED:]
solver.net.forward()
agree(
    "accuracy",
    {"tiny_caffe": known, "caffelite with its weights": accuracy(solver.net.blobs["ip1"].data, labels[-TESTED:])},
)

if figure := picture(9, 3.2):
    left, right = figure.subfigures(1, 2, width_ratios=(3, 2))
    ax = left.subplots()
    ax.semilogy(curve)
    ax.set_title("loss of tiny_caffe", fontsize=9)
    ax.set_xlabel("iteration", fontsize=8)
    grid = right.subplots(4, 4)
    right.suptitle("the 16 kernels of conv1", fontsize=9)
    for ax, kernel in zip(grid.flat, tiny.layers["conv1"].params[0][:, 0], strict=True):
        limit = abs(kernel).max()
        ax.imshow(kernel, cmap="RdBu_r", vmin=-limit, vmax=limit)
        ax.axis("off")
    keep(figure, __file__, "training.png")
