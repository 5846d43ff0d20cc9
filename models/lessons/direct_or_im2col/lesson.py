"""Direct against im2col: the same convolution in five ways, forward and backward, timed."""

import json
from pathlib import Path
from time import perf_counter

import numpy as np
from numba import njit

import caffelite
from caffelite.examples.lessons import agree, heading, keep, picture, question
from caffelite.testing import reference_convolution as reference
from caffelite.testing.reference_loops import convolve_loops, gradients_loops

HERE = Path(__file__).parent
BY_PYTORCH = json.loads((HERE / "by_pytorch.json").read_text())
BOTTOM, WEIGHT, TOP = (10, 32, 14, 14), (16, 32, 3, 3), (10, 16, 14, 14)
PARTS = ("top", "weight", "bias", "bottom")


def whole_numbers(*shape):
    """Return whole numbers from -4 to 4 without a simple pattern: float32 sums of them are exact in any order."""
    index = np.arange(np.prod(shape))
    return (index * index % 10007 % 9 - 4).reshape(shape).astype(np.float32)


bottom, weight, bias, top_diff = (whole_numbers(*shape) for shape in (BOTTOM, WEIGHT, (16,), TOP))


class Definition:
    """One window at a time, in Python and numpy."""

    def forward(self):
        """Return the top."""
        return reference.convolve(bottom, weight, bias, pad=1)

    def backward(self):
        """Return the gradients."""
        return reference.gradients_by_definition(bottom, weight, top_diff, pad=1)


class CompiledLoops:
    """Seven loops, compiled by numba."""

    forward_loops, backward_loops = staticmethod(njit(convolve_loops)), staticmethod(njit(gradients_loops))

    def forward(self):
        """Return the top."""
        top = np.empty(TOP, np.float32)
        self.forward_loops(bottom, weight, bias, 1, 1, top)
        return top

    def backward(self):
        """Return the gradients."""
        found = reference.Gradients(np.empty_like(weight), np.empty_like(bias), np.empty_like(bottom))
        self.backward_loops(bottom, weight, top_diff, 1, 1, *found)
        return found


class ColumnsAgain:
    """im2col and products of matrices; backward makes the columns again, as Caffe does."""

    def forward(self):
        """Return the top."""
        return reference.convolve_im2col(bottom, weight, bias, pad=1)

    def backward(self):
        """Return the gradients."""
        return reference.gradients_im2col(bottom, weight, top_diff, pad=1)


class ColumnsKept:
    """The same; the columns of all samples are kept for backward."""

    def forward(self):
        """Return the top, and keep the columns."""
        self.columns = [reference.im2col(image, (3, 3), pad=1) for image in bottom]
        rows = weight.reshape(16, -1)
        return np.stack([rows @ columns for columns in self.columns]).reshape(TOP) + bias[:, np.newaxis, np.newaxis]

    def backward(self):
        """Return the gradients."""
        rows, weight_diff, bottom_diff = weight.reshape(16, -1), np.zeros((16, 288), np.float32), np.empty_like(bottom)
        for n, columns in enumerate(self.columns):
            diff = top_diff[n].reshape(16, -1)
            weight_diff += diff @ columns.T
            bottom_diff[n] = reference.col2im(rows.T @ diff, BOTTOM[1:], (3, 3), pad=1)
        return reference.Gradients(weight_diff.reshape(WEIGHT), top_diff.sum((0, 2, 3)), bottom_diff)


class Engine:
    """caffelite's net."""

    def __init__(self):
        """Read the net and give it the weights."""
        self.net = caffelite.Net(HERE / "batch.prototxt", caffelite.TEST)
        self.weight, self.bias = self.net.params["conv"]
        self.weight.data[...], self.bias.data[...] = weight, bias
        self.net.blobs["data"].data[...] = bottom

    def forward(self):
        """Return the top."""
        return self.net.forward()["conv"]

    def backward(self):
        """Return the gradients."""
        self.weight.diff[...] = self.bias.diff[...] = 0  # a net adds to them
        self.net.backward(conv=top_diff)
        return reference.Gradients(self.weight.diff, self.bias.diff, self.net.blobs["data"].diff)


def milliseconds(run, repeats):
    """Return how long the fastest of several runs took."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        run()
        times.append(perf_counter() - start)
    return 1000 * min(times)


WAYS = {
    "definition, Python": Definition(),
    "loops, compiled": CompiledLoops(),
    "im2col, made again": ColumnsAgain(),
    "im2col, kept": ColumnsKept(),
    "caffelite's net": Engine(),
}

heading("1. The same numbers")
results = {name: {"top": way.forward().copy(), **way.backward()._asdict()} for name, way in WAYS.items()}
for part in PARTS:
    exact = {name: found[part] for name, found in results.items() if name != "caffelite's net"}
    agree(part, exact)
    first = exact["im2col, kept"].astype(float)
    agree(f"{part}, sums", {"im2col": np.array([first.sum(), (first**2).sum()]), "PyTorch": np.array(BY_PYTORCH[part])})
    scaled = {name: results[name][part] / abs(first).max() for name in ("im2col, kept", "caffelite's net")}
    agree(f"{part} over its largest value", scaled, within=1e-5)

heading("2. The time")
products = np.prod(TOP) * 288
columns = 10 * 288 * 196 * 4
print(
    f"Each way does {products:,} products forward and twice as many backward, but for those with zeros of the padding."
)
print(f"The columns of the batch take {columns:,} bytes, the batch itself {bottom.nbytes:,}.")
question("put the five in order. How far apart are the first and the last?")
costs = {}
for name, way in WAYS.items():
    repeats = 1 if name == "definition, Python" else 50
    costs[name] = milliseconds(way.forward, repeats), milliseconds(way.backward, repeats)
    forward, backward = costs[name]
    print(f"{name:20} forward {forward:8.2f} ms, backward {backward:8.2f} ms", flush=True)
totals = {name: sum(times) for name, times in costs.items()}
fastest = min(totals, key=totals.get)
print(f"The fastest, {fastest}, takes 1/{max(totals.values()) / totals[fastest]:.0f} of the time of the slowest.")

if figure := picture(8, 2.8):
    ax = figure.subplots()
    for index, (forward, backward) in enumerate(costs.values()):
        ax.barh(index - 0.2, forward, 0.38, color="tab:blue", label=None if index else "forward")
        ax.barh(index + 0.2, backward, 0.38, color="tab:red", label=None if index else "backward")
    ax.set_yticks(range(len(costs)), list(costs))
    ax.invert_yaxis()
    ax.set_xscale("log")
    ax.set_xlabel("milliseconds")
    ax.legend()
    keep(figure, __file__, "times.png")
