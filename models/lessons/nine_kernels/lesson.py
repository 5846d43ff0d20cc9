"""Nine kernels: what nine weights do to an image; then convolution, ReLU and pooling of a colour image."""

import json
from pathlib import Path

import numpy as np

import caffelite
from caffelite.examples.lessons import agree, heading, keep, matrix, picture, question
from caffelite.examples.scene import grey, scene

HERE = Path(__file__).parent
BY_PYTORCH = json.loads((HERE / "by_pytorch.json").read_text())
NAMES = ("sharpen", "vertical edge", "surround", "Sobel-Y", "nothing", "horizontal edge", "blur", "Sobel-X", "emboss")
# what black and white show: images with a kernel of sum 1 or -1 keep their greys, edges are light or dark on grey
SHOWN = {"sharpen": (0, 1), "nothing": (0, 1), "blur": (0, 1), "surround": (-1, 0)}
SHOWN |= {"vertical edge": (-0.5, 0.5), "horizontal edge": (-0.5, 0.5)}


def figures(blob):
    """Return mean, mean square, smallest and largest value."""
    return np.array([blob.mean(), (blob**2).mean(), blob.min(), blob.max()])


heading("1. Nine kernels on one grey image")
net = caffelite.Net(HERE / "kernels.prototxt", caffelite.TEST, dtype=np.float64)
kernels = net.params["filtered"][0].data[:, 0]
image = grey().astype(float)
filtered = net.forward(data=image[np.newaxis, np.newaxis])["filtered"][0].copy()
print(f"The image: {image.shape}, from {image.min():.3f} (black) to {image.max():.3f}; the top: {filtered.shape}")
window = image[84:87, 92:95]
print("By hand, at row 84, column 92, where the number on the wall begins:", matrix(window.round(3)), sep="\n")
by_hand = window[2] @ [1, 2, 1] - window[0] @ [1, 2, 1]
below, above = ("({:.3f} + 2 x {:.3f} + {:.3f})".format(*row) for row in (window[2], window[0]))
print(f"Sobel-Y: {below} - {above} = {by_hand:.3f}")
agree("this pixel", {"by hand": np.array(by_hand), "caffelite's net": filtered[3, 84, 92]}, within=1e-12)
for name, top in zip(NAMES, filtered, strict=True):
    ways = {"caffelite's net": figures(top), "PyTorch": np.array(BY_PYTORCH["maps"][name])}
    agree(f"{name}: mean, mean square, least and largest", ways, within=1e-6)

question("the sky is almost flat. Which of the nine keep it, which make it 0, and which one makes it negative?")
net.blobs["data"].data[...] = 0.5
flat = net.forward()["filtered"][0, :, 0, 0]
for name, kernel, value in zip(NAMES, kernels, flat, strict=True):
    print(f"{name:16} sum of the weights {kernel.sum():5.2f}, of an image that is 0.5 everywhere it makes {value:6.3f}")
agree("a flat image", {"half the sum": kernels.sum((1, 2)) / 2, "caffelite's net": flat}, within=1e-12)

heading("2. A colour image in four stages")
colours = scene() / 255  # red, green, blue
stages = caffelite.Net(HERE / "stages.prototxt", caffelite.TEST, dtype=np.float64)
stages.forward(data=colours[..., ::-1].transpose(2, 0, 1)[np.newaxis])
tops = {name: stages.blobs[name].data.copy() for name in ("conv", "relu", "pool")}
for name, top in tops.items():
    shape = " x ".join(map(str, top.shape))
    share = (top > 0).mean()
    print(f"{name}: {shape}, from {top.min():.3f} to {top.max():.3f}, {share:.1%} of the values above 0")
    found = np.array([*top.shape, *figures(top)])
    agree(
        f"{name}: shape, mean, mean square, least and largest",
        {"caffelite's net": found, "PyTorch": np.array(BY_PYTORCH[name])},
        within=1e-9,
    )
question("and if the image is given as red, green, blue, as most programs read it?")
stages.forward(data=colours.transpose(2, 0, 1)[np.newaxis])
swapped = stages.blobs["pool"].data.copy()
for text, top in (("blue, green, red", tops["pool"]), ("red, green, blue", swapped)):
    y, x = np.unravel_index(top[0, 0].argmax(), top[0, 0].shape)
    print(f"{text}: the largest value, {top.max():.3f}, is at rows {4 * y}-{4 * y + 3}, columns {4 * x}-{4 * x + 3}")

if figure := picture(6, 5.3):
    for ax, name, top in zip(figure.subplots(3, 3).flat, NAMES, filtered, strict=True):
        low, high = SHOWN.get(name, (-1, 1))
        ax.imshow(top, cmap="gray", vmin=low, vmax=high)
        ax.set_title(name, fontsize=9)
        ax.axis("off")
    keep(figure, __file__, "gallery.png", colours=16)
if figure := picture(8, 4.4):
    drawn = (
        ("image", colours),
        ("conv: red is red, blue is blue", tops["conv"][0, 0]),
        ("ReLU: what is negative is 0", tops["relu"][0, 0]),
        ("max pooling: 4x4 pixels become one", tops["pool"][0, 0]),
        ("the same net, fed red, green, blue", swapped[0, 0]),
    )
    limit = abs(tops["conv"]).max()
    axes = figure.subplots(2, 3).flat
    for ax, (title, values) in zip(axes, drawn, strict=False):
        ax.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit)
        ax.set_title(title, fontsize=9)
    for ax in figure.axes:
        ax.axis("off")
    keep(figure, __file__, "stages.png")
