"""Pooling: where max and average pooling send the gradient, as loops and by im2col, and what each way costs."""

import json
from pathlib import Path
from time import perf_counter

import numpy as np
from numba import njit

import caffelite
from caffelite.examples.lessons import agree, heading, keep, matrix, picture, question
from caffelite.testing import reference_pooling as reference
from caffelite.testing import spread_values
from caffelite.testing.differences import differences

HERE = Path(__file__).parent
BY_PYTORCH = json.loads((HERE / "by_pytorch.json").read_text())
PI = np.array([float(digit) for digit in "3141592653589793238462643"]).reshape(5, 5)
REPEATS = 50


def by_loops(kind, bottom, top_diff, kernel, stride, made=lambda loop: loop):
    """Return top and bottom gradient by the plain loops; `made` may compile them."""
    top, bottom_diff = np.empty_like(top_diff), np.empty_like(bottom)
    if kind == "max":
        places = np.empty(top.shape, np.int64)
        made(reference.max_pool)(bottom, kernel, stride, top, places)
        made(reference.max_pool_backward)(top_diff, places, bottom_diff)
    else:
        made(reference.average_pool)(bottom, kernel, stride, top)
        made(reference.average_pool_backward)(top_diff, kernel, stride, bottom_diff)
    return top, bottom_diff


def by_im2col(kind, bottom, top_diff, kernel, stride):
    """Return top and bottom gradient by im2col and col2im."""
    if kind == "max":
        top, rows = reference.max_pool_im2col(bottom, kernel, stride)
        return top, reference.max_pool_backward_im2col(top_diff, rows, bottom.shape, kernel, stride)
    top = reference.average_pool_im2col(bottom, kernel, stride)
    return top, reference.average_pool_backward_im2col(top_diff, bottom.shape, kernel, stride)


def milliseconds(run):
    """Return how long the fastest of several runs took."""
    times = []
    for _ in range(REPEATS):
        start = perf_counter()
        run()
        times.append(perf_counter() - start)
    return 1000 * min(times)


heading("1. Overlapping windows: 3x3, stride 2, on 5x5 pixels")
image, top_diff = PI[np.newaxis, np.newaxis], np.array([[[[1.0, 2], [3, 4]]]])
net = caffelite.Net(HERE / "small.prototxt", caffelite.TEST, dtype=np.float64)
blobs, nothing = net.blobs, np.zeros((1, 1, 2, 2))
net.forward(data=image)
print("The pixels, the digits of pi:", matrix(PI), sep="\n")
print("The largest of each window:", matrix(blobs["largest"].data[0, 0]), sep="\n")
print("The averages:", matrix(blobs["average"].data[0, 0].round(3)), sep="\n")
print("The gradient that comes from above:", matrix(top_diff[0, 0]), sep="\n")
question(
    "the pixel in the middle, a 9, is in all four windows. What is its gradient with max, and with average pooling?"
)
gradients = {}
for kind, top in (("max", "largest"), ("average", "average")):
    net.backward(**{"largest": nothing, "average": nothing, top: top_diff})
    gradients[kind] = blobs["data"].diff[0, 0].copy()
    print(f"Gradient of the pixels, {kind}:", matrix(gradients[kind].round(3)), sep="\n")
    ways = {"caffelite's net": (blobs[top].data, blobs["data"].diff)}
    ways |= {"loops": by_loops(kind, image, top_diff, 3, 2), "im2col": by_im2col(kind, image, top_diff, 3, 2)}
    ways["PyTorch"] = BY_PYTORCH[f"small {kind}"]
    for part, what in enumerate(("top", "gradient")):
        agree(f"{kind}, {what}", {way: np.squeeze(found[part]) for way, found in ways.items()}, within=1e-12)
assert gradients["max"][2, 2] == 2 + 3 + 4, "by hand: of the first window's two 9 the other one is first"
agree(
    "middle, average",
    {"caffelite's net": gradients["average"][2, 2], "by hand": np.array((1 + 2 + 3 + 4) / 9)},
    within=1e-12,
)


def objective(kind, pixels):
    """Return sum(top x top gradient)."""
    return (by_loops(kind, pixels, top_diff, 3, 2)[0] * top_diff).sum()


heading("2. What finite differences say")
pixels = image.copy()
slopes = differences(lambda: objective("average", pixels), pixels)
agree("average", {"caffelite's net": gradients["average"], "finite differences": slopes[0, 0]}, within=1e-9)
slopes = differences(lambda: objective("max", pixels), pixels)
print("max:", matrix(slopes[0, 0].round(3)), sep="\n")
print("Not equal: where two 9 share a window, only going up counts, and half a gradient is seen at each.")
pixels = image - np.arange(25.0).reshape(image.shape) / 1000
slopes = differences(lambda: objective("max", pixels), pixels)
agree("max, the ties broken", {"caffelite's net": gradients["max"], "finite differences": slopes[0, 0]}, within=1e-9)

heading("3. A batch of (64, 3, 28, 28), windows of 2x2, stride 2: forward and backward in milliseconds")
bottom, top_diff = spread_values((64, 3, 28, 28), step=1), spread_values((64, 3, 14, 14), step=1)
index = np.arange(bottom.size).reshape(bottom.shape)
compiled = {loop: njit(loop) for loop in (reference.max_pool, reference.max_pool_backward)}
compiled |= {loop: njit(loop) for loop in (reference.average_pool, reference.average_pool_backward)}
costs = {}
for kind in ("max", "average"):
    net = caffelite.Net(HERE / f"batch_{kind}.prototxt", caffelite.TEST, dtype=np.float64)
    net.blobs["data"].data[...] = bottom

    def by_the_net(net=net):
        """Return top and bottom gradient of the net."""
        top = net.forward()["pool"]
        net.backward(pool=top_diff)
        return top, net.blobs["data"].diff

    ways = {
        "caffelite's net": by_the_net,
        "loops": lambda kind=kind: by_loops(kind, bottom, top_diff, 2, 2),
        "loops, compiled": lambda kind=kind: by_loops(kind, bottom, top_diff, 2, 2, compiled.__getitem__),
        "im2col in numpy": lambda kind=kind: by_im2col(kind, bottom, top_diff, 2, 2),
    }
    results = {way: run() for way, run in ways.items()}
    for part, what in enumerate(("top", "gradient")):
        agree(f"{kind}, {what}", {way: found[part] for way, found in results.items()}, within=1e-9)
    sums = np.array([results["loops"][0].sum(), (results["loops"][1] * index).sum()])
    agree(f"{kind}, sums", {"loops": sums, "PyTorch": np.array(BY_PYTORCH[f"batch {kind}"])}, within=1e-3)
    costs[kind] = {way: milliseconds(run) for way, run in ways.items() if way != "loops"}
print()
for way in costs["max"]:
    print(f"{way:16} max {costs['max'][way]:6.2f} ms, average {costs['average'][way]:6.2f} ms")

if figure := picture(10, 3.6):
    from matplotlib.patches import Rectangle

    panels = (
        ("pixels, and the four windows", PI),
        ("max: the gradient goes to the largest", gradients["max"]),
        ("average: each pixel gets a ninth", gradients["average"]),
    )
    for ax, (title, values) in zip(figure.subplots(1, 3), panels, strict=True):
        ax.imshow(values, cmap="Reds", vmax=1.8 * values.max())  # light enough for black numbers
        for (y, x), number in np.ndenumerate(values):
            ax.text(x, y, f"{number:.3g}", ha="center", va="center")
        for window, colour in enumerate(("tab:blue", "tab:green", "tab:orange", "tab:purple")):
            row, column = divmod(window, 2)
            inset = 0.06 * (window + 1)  # windows overlap, their frames should not
            corner = (2 * column - 0.5 + inset, 2 * row - 0.5 + inset)
            ax.add_patch(Rectangle(corner, 3 - 2 * inset, 3 - 2 * inset, fill=False, lw=1.5, color=colour))
        ax.set_title(title, fontsize=10)
        ax.axis("off")
    keep(figure, __file__, "gradients.png")
