"""Learn a kernel: gradient descent finds the nine weights of a filter from an image and what the filter made of it."""

import json
from pathlib import Path

import numpy as np

import caffelite
from caffelite.core.prototxt.parse import read_solver
from caffelite.datasets import digits
from caffelite.examples.lessons import agree, heading, keep, matrix, picture, question
from caffelite.testing.reference_convolution import im2col

HERE = Path(__file__).parent
BY_PYTORCH = json.loads((HERE / "by_pytorch.json").read_text())
TRUE = np.array([[0, -1, 0], [0, 2, 0], [0, -1, 0]], float)
ENOUGH = 1e-7
NEAR = 0.003  # how near a tutorial's run came, which took 3,460 iterations on an image of its own
LOOKS = (0, 1, 10, 100, 1000, 4000)  # iterations after which the kernel is drawn


def solver_with(**fields):
    """Return the solver of solver.prototxt, in float64, with other values for these fields."""
    param = read_solver(HERE / "solver.prototxt")[0]
    param.net = str(HERE / "train.prototxt")
    for name, value in fields.items():
        setattr(param, name, value)
    return caffelite.SGDSolver(param, dtype=np.float64)


def loss_of(solver):
    """Return half the mean square an output pixel, with the present weights."""
    solver.net.forward()
    return float(solver.net.blobs["loss"].data) / solver.net.blobs["conv"].count


def without_images(image, filtered):
    """Return the mean products of a window's pixels (9, 9), and iterations and kernel of a descent on these alone."""
    columns, target = im2col(image, (3, 3)), filtered.ravel()
    moments, products = columns @ columns.T / target.size, columns @ target / target.size
    kernel, count = np.zeros(9), 0
    while (kernel @ moments @ kernel - 2 * kernel @ products + (target**2).mean()) / 2 >= ENOUGH:
        kernel -= 0.5 * (moments @ kernel - products)
        count += 1
    return moments, count, kernel.reshape(3, 3)


heading("1. Gradient descent, as solver.prototxt says")
solver = solver_with(display=0)
weight = solver.net.params["conv"][0].data[0, 0]
losses, kernels = [], {}
while (loss := loss_of(solver)) >= ENOUGH:
    if solver.iter in LOOKS:
        kernels[solver.iter] = weight.copy()
    if solver.iter in LOOKS or solver.iter % 2000 == 0:
        print(f"after {solver.iter:5} iterations: loss {loss:.3g}, middle column {weight[:, 1].round(3)}", flush=True)
    losses.append(loss)
    solver.step(1)
kernels[solver.iter] = weight.copy()
print(f"Below {ENOUGH:g} after {solver.iter:,} iterations. The kernel:", matrix(weight.round(3)), sep="\n")
print(f"No weight is further than {abs(weight - TRUE).max():.3f} from the one that made the image.")
iterations, learned = solver.iter, weight.copy()
while abs(weight - TRUE).max() > NEAR:
    solver.step(1)
print(f"Within {NEAR} of it after {solver.iter:,} iterations, when the loss is {loss_of(solver):.2g}.")

heading("2. The same, found in other ways")
image, filtered = (solver.net.blobs[name].data[0] for name in ("image", "filtered"))
moments, count, by_moments = without_images(image, filtered)
exact = np.linalg.lstsq(im2col(image, (3, 3)).T, filtered.ravel(), rcond=None)[0].reshape(3, 3)
found = {"caffelite": iterations, "nine numbers without images": count, "PyTorch": BY_PYTORCH["iterations"]}
agree("iterations", {way: np.array(number) for way, number in found.items()}, within=2)
ways = {"caffelite": learned, "nine numbers without images": by_moments}
agree("kernel", ways | {"PyTorch": np.array(BY_PYTORCH["weight"])}, within=1e-5)
agree("kernel of least squares", {"solved at once": exact, "the truth": TRUE}, within=1e-5)

heading("3. Why so many iterations, and what is too fast")
curvatures = np.linalg.eigvalsh(moments)
print(
    f"The loss is a bowl in nine dimensions, curved {curvatures[-1]:.3f} the steepest way and {curvatures[0]:.5f} the"
)
print(f"flattest. A step of rate 0.5 leaves {1 - 0.5 * curvatures[0]:.5f} of what is wrong along the flattest.")
question("from which rate on does gradient descent run away?")
limit = 2 / curvatures[-1]
print(f"2 / {curvatures[-1]:.3f} = {limit:.3f}: each step then jumps to the other side of the bowl, higher up.")
for rate in (0.71, 0.73):
    other = solver_with(display=0, base_lr=rate)
    other.step(400)
    print(f"rate {rate}, below it" if rate < limit else f"rate {rate}, above it", end=": ")
    print(f"the loss goes from {losses[0]:.3g} to {loss_of(other):.3g} in 400 iterations")

heading("4. The same filter, learned from other images")
board = digits.load()[0][:100].reshape(10, 10, 8, 8).swapaxes(1, 2).reshape(1, 80, 80) / 16
for name, other in {"from 0 to 1": image, "from -1 to 1": 2 * image - 1, "100 handwritten digits": board}.items():
    moments, count, kernel = without_images(other, TRUE.ravel() @ im2col(other, (3, 3)))
    flattest, far = np.linalg.eigvalsh(moments)[0], abs(kernel - TRUE).max()
    print(
        f"{name:22}  flattest {flattest:.5f}, {count:6,} iterations, no weight further than {far:.3f} from the true one"
    )

if figure := picture(9, 4.2):
    top, bottom = figure.subfigures(2, 1)
    for ax, (iteration, kernel) in zip(top.subplots(1, len(kernels)), kernels.items(), strict=True):
        ax.imshow(kernel, cmap="RdBu_r", vmin=-2, vmax=2)
        for (y, x), number in np.ndenumerate(kernel):
            ax.text(x, y, f"{number:.2f}", ha="center", va="center", fontsize=7, color="w" if number > 1.5 else "k")
        ax.set_title(f"{iteration:,} iterations", fontsize=8)
        ax.axis("off")
    pixels, made, curve = bottom.subplots(1, 3, width_ratios=(1, 1, 2))
    pixels.imshow(image[0], cmap="gray")
    made.imshow(filtered[0], cmap="gray")
    pixels.set_title("image", fontsize=8)
    made.set_title("what the filter made of it", fontsize=8)
    pixels.axis("off")
    made.axis("off")
    curve.loglog(np.arange(1, len(losses) + 1), losses)
    curve.axhline(ENOUGH, color="grey", linewidth=0.8, linestyle=":")
    curve.set_title("loss after each iteration", fontsize=8)
    curve.tick_params(labelsize=7)
    keep(figure, __file__, "kernel.png")
