"""Backward by hand: the gradients of a convolution in five ways, with everything in between."""

import json
from pathlib import Path

import numpy as np

import caffelite
from caffelite.core.layer import Layer
from caffelite.examples.lessons import agree, heading, keep, matrix, picture, question
from caffelite.proto.caffe_pb2 import LayerParameter
from caffelite.testing import check_gradient
from caffelite.testing import reference_convolution as reference
from caffelite.testing.differences import differences

HERE = Path(__file__).parent
BY_PYTORCH = json.loads((HERE / "by_pytorch.json").read_text())


def counting(*shape):
    """Return 0, 1, 2, ... in this shape."""
    return np.arange(np.prod(shape), dtype=float).reshape(shape)


def by_the_net(name, bottom, weight, top_diff):
    """Return top and gradients as caffelite's net of the prototxt `name` computes them."""
    net = caffelite.Net(HERE / f"{name}.prototxt", caffelite.TEST, dtype=np.float64)
    net.blobs["data"].data[...] = bottom
    net.params["conv"][0].data[...] = weight
    top = net.forward()["conv"].copy()
    net.backward(conv=top_diff)
    weight_diff, bias_diff = (blob.diff for blob in net.params["conv"])
    return top, reference.Gradients(weight_diff, bias_diff, net.blobs["data"].diff)


def by_differences(bottom, weight, top_diff, stride):
    """Return the gradients of sum(top x top_diff), found by changing one number at a time."""
    bottom, weight, bias = bottom.copy(), weight.copy(), np.zeros(len(weight))

    def objective():
        return (reference.convolve(bottom, weight, bias, stride) * top_diff).sum()

    # the objective is linear in each of them: a large step is exact
    return reference.Gradients(*(differences(objective, values, step=0.5) for values in (weight, bias, bottom)))


def compare(name, bottom, weight, top_diff, stride=1):
    """Find the gradients in every way, say whether they agree, and return those by im2col."""
    top, net = by_the_net(name, bottom, weight, top_diff)
    pytorch = BY_PYTORCH[name]
    ways = {
        "im2col": reference.gradients_im2col(bottom, weight, top_diff, stride),
        "the definition": reference.gradients_by_definition(bottom, weight, top_diff, stride),
        "caffelite's net": net,
        "PyTorch": reference.Gradients(*(np.array(pytorch[part]) for part in ("weight", "bias", "bottom"))),
        "finite differences": by_differences(bottom, weight, top_diff, stride),
    }
    by_im2col = reference.convolve_im2col(bottom, weight, None, stride)
    agree("top", {"im2col": by_im2col, "caffelite's net": top, "PyTorch": np.array(pytorch["top"])})
    for part in ("weight", "bias", "bottom"):
        agree(f"{part} gradient", {way: getattr(found, part) for way, found in ways.items()})
    return ways["im2col"]


heading("1. Forward: 3x3 pixels, a 2x2 kernel, four windows")
bottom, weight, top_diff = counting(1, 1, 3, 3), counting(1, 1, 2, 2), counting(1, 1, 2, 2)
columns = reference.im2col(bottom[0], (2, 2))
row = weight.reshape(1, 4)
print("x, the bottom:", matrix(bottom[0, 0]), "w, the weights:", matrix(weight[0, 0]), sep="\n")
print("im2col(x): each column holds the four pixels of one window:", matrix(columns), sep="\n")
print("top = (0 1 2 3) times these columns:", matrix(row @ columns), sep="\n")

heading("2. Backward by im2col")
diff = top_diff.reshape(1, 4)
print("Let the gradient that comes from above, dL/dtop, be:", matrix(top_diff[0, 0]), sep="\n")
print("dL/dw = (0 1 2 3) times the columns transposed:", matrix(diff @ columns.T), sep="\n")
print("dL/db = the sum of the top gradient:", matrix(diff.sum(keepdims=True)), sep="\n")
column_diff = row.T @ diff
print("dL/dcolumns = w transposed, times the top gradient:", matrix(column_diff), sep="\n")
question("pixel 4, the middle, stands in every column. Which of its four gradients is its own?")
counts = reference.col2im(np.ones((4, 4)), (1, 3, 3), (2, 2))
print("All of them: a pixel changes the loss through every window that it is in, and such changes add up.")
print("So many columns hold each pixel:", matrix(counts[0]), sep="\n")
print("dL/dx = col2im(dL/dcolumns); the middle is 0 + 2 + 2 + 0 (from row 3, 2, 1 and 0):")
print(matrix(reference.col2im(column_diff, (1, 3, 3), (2, 2))[0]))

heading("3. Backward by the definition")
around = reference.padded(top_diff, 1)
print("The top gradient with a kernel's size less one, 1, zeros around:", matrix(around[0, 0]), sep="\n")
print("w turned by 180 degrees:", matrix(reference.turned(weight)[0, 0]), sep="\n")
print("The one cross-correlated with the other, dL/dx again:")
print(matrix(reference.convolve(around, reference.turned(weight))[0, 0]))
print("x cross-correlated with the top gradient, dL/dw again:")
print(matrix(reference.convolve(bottom, top_diff)[0, 0]), end="\n\n")
compare("small", bottom, weight, top_diff)

heading("4. Two samples, three channels, two filters")
shapes = (2, 3, 3, 3), (2, 3, 2, 2), (2, 2, 2, 2)
found = compare("larger", *(counting(*shape) for shape in shapes))
print("\ndL/dw, summed over the batch, is twice (a row a channel):")
for index, filter_diff in enumerate(found.weight / 2):
    print(f"  filter {index}:", matrix(filter_diff.reshape(3, 4)), sep="\n")
for index, bottom_diff in enumerate(found.bottom):
    print(f"dL/dx of sample {index + 1}, its three channels:")
    print("\n\n".join(matrix(channel) for channel in bottom_diff))

heading("5. Stride: zeros between the gradients")
bottom = counting(1, 1, 5, 5)
for stride in (2, 3):
    zeros = "a zero" if stride == 2 else "two zeros"
    print(f"Stride {stride}, 5x5 pixels: the top gradient, {zeros} for the windows left out:")
    print(matrix(reference.with_zeros_between(top_diff, stride)[0, 0]))
    found = compare(f"stride{stride}", bottom, weight, top_diff, stride)
    print("dL/dx:", matrix(found.bottom[0, 0]), "", sep="\n")


class Correct(Layer):
    """A convolution of bottom[0] (1, 1, 3, 3) with the kernel bottom[1] (1, 1, 2, 2), padded by 1."""

    exact_num_bottom_blobs, exact_num_top_blobs = 2, 1

    def reshape(self, bottom, top):
        """Shape the top."""
        top[0].reshape(1, 1, 4, 4)

    def images(self, bottom):
        """Return the padded bottom."""
        return reference.padded(bottom[0].data, 1)

    def forward(self, bottom, top):
        """Cross-correlate."""
        top[0].data[...] = reference.convolve(self.images(bottom), bottom[1].data)

    def backward(self, top, propagate_down, bottom):
        """Fill both gradients."""
        images = self.images(bottom)
        bottom[0].diff[...] = self.image_diff(images, bottom[1].data, top[0].diff)[:, :, 1:-1, 1:-1]
        bottom[1].diff[...] = reference.gradients_im2col(images, bottom[1].data, top[0].diff).weight

    def image_diff(self, images, weight, top_diff):
        """Return the gradient of the padded image."""
        return reference.gradients_im2col(images, weight, top_diff).bottom


class NotTurned(Correct):
    """The top gradient is cross-correlated with the kernel as it is."""

    def image_diff(self, images, weight, top_diff):
        """Forget to turn."""
        return reference.convolve(reference.padded(top_diff, 1), weight)


class Overwriting(Correct):
    """col2im writes each copy over the one before."""

    def image_diff(self, images, weight, top_diff):
        """Keep the last copy of each pixel."""
        column_diff = weight.reshape(1, 4).T @ top_diff.reshape(1, 16)
        image = np.zeros((5, 5))
        for k, (i, j) in enumerate(np.ndindex(2, 2)):
            image[i : i + 4, j : j + 4] = column_diff[k].reshape(4, 4)
        return image[np.newaxis, np.newaxis]


class AveragedPadding(Correct):
    """The padding is the image's average and not zero; backward takes it for a constant."""

    def images(self, bottom):
        """Pad with the average."""
        average = bottom[0].data.mean()
        return reference.padded(bottom[0].data - average, 1) + average


heading("6. Break it: what the gradient checker says")
question("which pixel gives away each of the three mistakes?")
broken = 0
for kind in (Correct, NotTurned, Overwriting, AveragedPadding):
    layer = kind(LayerParameter(name=kind.__name__, type=kind.__name__))
    layer.context.dtype = np.dtype(np.float64)
    try:
        check_gradient(layer, [counting(1, 1, 3, 3), weight], threshold=1e-6)
        print(f"{kind.__name__}: the gradients are right")
    except AssertionError as wrong:
        broken += 1
        print(f"{kind.__name__}: {wrong}")
assert broken == 3, "the three broken ones, and only these, must be found"

if figure := picture(11, 3.4):
    axes = figure.subplots(1, 4, width_ratios=(3, 4, 4, 3))
    pixels = counting(3, 3)
    panels = (
        ("x: nine pixels", pixels, pixels),
        ("im2col(x): the same pixels", columns, columns),
        ("gradient of the columns", columns, column_diff),
        ("col2im: copies of a pixel added", pixels, reference.col2im(column_diff, (1, 3, 3), (2, 2))[0]),
    )
    for ax, (title, colours, numbers) in zip(axes, panels, strict=True):
        ax.imshow(colours, cmap="Set3", vmin=0, vmax=11)
        for (y, x), number in np.ndenumerate(numbers):
            ax.text(x, y, f"{number:g}", ha="center", va="center", fontsize=13)
        ax.set_title(title, fontsize=10)
        ax.axis("off")
    keep(figure, __file__, "col2im.png")
