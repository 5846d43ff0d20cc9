"""Forward, position by position: one convolution by its definition, by im2col, and by the engine."""

import json
from pathlib import Path

import numpy as np

import caffelite
from caffelite import examples
from caffelite.examples.lessons import agree, heading, keep, matrix, picture, question
from caffelite.testing import reference_convolution as reference

HERE = Path(__file__).parent
BY_PYTORCH = json.loads((HERE / "by_pytorch.json").read_text())


def whole_numbers(*shape):
    """Return whole numbers from -4 to 4 without a simple pattern: sums of them are exact in any order."""
    index = np.arange(np.prod(shape))
    return (index * index % 10007 % 9 - 4).reshape(shape).astype(float)


def by_the_net(bottom, weight, bias, dtype):
    """Return the top of the net in batch.prototxt."""
    net = caffelite.Net(HERE / "batch.prototxt", caffelite.TEST, dtype=dtype)
    net.params["conv"][0].data[...] = weight
    net.params["conv"][1].data[...] = bias
    return net.forward(data=bottom)["conv"]


def one_kernel(image, kernel):
    """Return what one_channel.prototxt makes of an image (H, W) with a kernel (3, 3)."""
    net = caffelite.Net(HERE / "one_channel.prototxt", caffelite.TEST, dtype=np.float64)
    net.blobs["data"].reshape(1, 1, *image.shape)
    net.params["conv"][0].data[...] = kernel
    return net.forward(data=image[np.newaxis, np.newaxis])["conv"][0, 0].copy()


def by_fourier(image, kernel):
    """Return the convolution of mathematics, of the image's size: a product of spectra."""
    size = [length + 2 for length in image.shape]
    whole = np.fft.irfft2(np.fft.rfft2(image, size) * np.fft.rfft2(kernel, size), size)
    return whole[1:-1, 1:-1]


heading("1. One position")
bottom, weight, bias = whole_numbers(10, 32, 14, 14), whole_numbers(16, 32, 3, 3), whole_numbers(16)
window = reference.padded(bottom, 1)[0, :, :3, :3]
print("Sample 0, channel 0, the window at the top left, zeros around the image:", matrix(window[0]), sep="\n")
print("Filter 0, channel 0:", matrix(weight[0, 0]), sep="\n")
shares = (window * weight[0]).sum((1, 2))
print(f"Their product, summed: {shares[0]:g}. All 32 channels: {' '.join(f'{share:g}' for share in shares)}")
print(f"Sum {shares.sum():g}, and with the bias {bias[0]:g}: top[0, 0, 0, 0] = {shares.sum() + bias[0]:g}")

heading("2. All positions, in three ways")
question("how many windows are there, and how many products?")
by_definition = reference.convolve(bottom, weight, bias, pad=1)
assert by_definition[0, 0, 0, 0] == shares.sum() + bias[0]
print(f"bottom {bottom.shape}, weight {weight.shape}, top {by_definition.shape}")
places = by_definition.size
print(f"{places:,} positions, {weight[0].size} products each: {places * weight[0].size:,} in all")
columns = reference.im2col(bottom[0], (3, 3), pad=1)
print(f"im2col of one sample: {columns.shape}, {columns.size / bottom[0].size:g} times the sample")
by_im2col = reference.convolve_im2col(bottom, weight, bias, pad=1)
by_engine = by_the_net(bottom, weight, bias, np.float64)
agree("top", {"the definition": by_definition, "im2col": by_im2col, "caffelite's net": by_engine})
fast = by_the_net(bottom, weight, bias, np.float32)
largest = abs(by_definition).max()
ways = {"the definition": by_definition / largest, "caffelite's net": fast / largest}
agree(f"top in float32, over the largest value, {largest:g}", ways, within=1e-5)
for what, found in (
    ("shape", np.array(by_definition.shape)),
    ("map 5 of sample 3", by_definition[3, 5]),
    ("sums of the maps", by_definition.sum((0, 2, 3))),
    ("sum of squares", (by_definition**2).sum()),
):
    agree(what, {"the definition": found, "PyTorch": np.array(BY_PYTORCH[what])})

heading("3. Cross-correlation against convolution")
dot = np.zeros((5, 5))
dot[2, 2] = 1
kernel = np.arange(1.0, 10).reshape(3, 3)
print("A dot, and a kernel:", matrix(dot), matrix(kernel), sep="\n")
question("what does the layer make of the dot?")
correlated, convolved = one_kernel(dot, kernel), one_kernel(dot, reference.turned(kernel))
print("The kernel upside down, since the window in which the dot is its last pixel comes first:")
print(matrix(correlated))
print("With the kernel turned by 180 degrees first, the convolution of mathematics, the kernel itself:")
print(matrix(convolved))
sobel = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
digit = examples.digits()[0][7, 0].astype(float)
edges, turned_edges = one_kernel(digit, sobel), one_kernel(digit, reference.turned(sobel))
for name, image, ours, weights in (("dot", dot, convolved, kernel), ("digit", digit, turned_edges, sobel)):
    agree(f"{name}, kernel turned", {"caffelite's net": ours, "Fourier": by_fourier(image, weights)}, within=1e-12)
agree("digit, Sobel-X", {"as it is": edges, "minus the turned one": -turned_edges})

if figure := picture(9, 4.6):
    axes = figure.subplots(2, 4)
    rows = ((dot, kernel, correlated, convolved), (digit, sobel, edges, turned_edges))
    for row, images in zip(axes, rows, strict=True):
        for ax, image, text in zip(
            row,
            images,
            ("image", "kernel", "cross-correlation\n(the layer)", "convolution\n(kernel turned)"),
            strict=True,
        ):
            limit = abs(image).max()
            ax.imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit)
            if image.size <= 25:
                for (y, x), number in np.ndenumerate(image):
                    colour = "white" if abs(number) > 0.7 * limit else "black"
                    ax.text(x, y, f"{number:g}", ha="center", va="center", fontsize=9, color=colour)
            ax.set_title(text, fontsize=10)
            ax.axis("off")
    keep(figure, __file__, "turned.png")
