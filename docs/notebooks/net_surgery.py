# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Net surgery
#
# A trained net is text and arrays, and both can be changed. Here a classifier of single digits becomes a net that
# reads a whole page: its inner products are turned into convolutions, with the weights that it has. `pip install
# 'caffelite[notebooks]'` installs what this needs.

# %%
import matplotlib.pyplot as plt
import numpy as np
from google.protobuf import text_format

import caffelite as caffe
from caffelite import examples
from caffelite.proto import caffe_pb2

net = examples.lenet()
images, labels = examples.digits()

# %% [markdown]
# ## Writing into a net
#
# `net.params` are views of what the net computes with. Here a filter of `conv1` is replaced by one that we know: it
# answers to edges from dark to bright, downwards. Then the net gets its own back.

# %%
digit = images[labels == 2][:1]
weights = net.params["conv1"][0].data
kept = weights[0, 0].copy()

net.forward(data=digit)
answers = [net.blobs["conv1"].data[0, 0].copy()]
weights[0, 0] = np.repeat([[-1], [-1], [0], [1], [1]], 5, axis=1) / 10
net.forward(data=digit)
answers.append(net.blobs["conv1"].data[0, 0].copy())
weights[0, 0] = kept

figure, axes = plt.subplots(1, 3, figsize=(8, 2.9), layout="constrained")
for axis, pixels, title in zip(axes, [digit[0, 0], *answers], ["the digit", "its own filter", "ours"], strict=True):
    limit = np.abs(pixels).max()
    axis.imshow(
        pixels,
        cmap="gray" if title == "the digit" else "RdBu_r",
        vmin=-limit if title != "the digit" else 0,
        vmax=limit,
    )
    axis.set_title(title)
    axis.axis("off")

# %% [markdown]
# ## From inner products to convolutions
#
# `ip1` takes all of `pool2`, 50 channels of 4x4, and gives 64 numbers. A convolution with 64 outputs and kernels of
# 4x4 does the same at one place, and can do it at every other place, too. `ip2` becomes a convolution of 1x1.
#
# The text first: a copy of the net's prototxt in which these layers are convolutions, with other names, so that
# `copy_from` does not try to fill them, and whose input is a page.

# %%
PAGE = 112, 224
model = examples.folder() / "models" / "lenet_small"
spec = text_format.Parse((model / "deploy.prototxt").read_text(), caffe_pb2.NetParameter())
print(spec.layer[5])

CONVOLUTIONS = {"ip1": ("ip1_conv", 4), "ip2": ("ip2_conv", 1)}
for layer in spec.layer:
    if layer.name in CONVOLUTIONS:
        count = layer.inner_product_param.num_output
        layer.ClearField("inner_product_param")
        layer.name, size = CONVOLUTIONS[layer.name]
        layer.type = "Convolution"
        layer.convolution_param.num_output = count
        layer.convolution_param.kernel_size.append(size)
spec.layer[0].input_param.shape[0].dim[2:] = PAGE
with open("full_conv.prototxt", "w") as file:
    file.write(str(spec))
print(spec.layer[5])

# %% [markdown]
# Then the arrays. A row of an inner product's weights has a number for each value of the bottom, channel by channel
# and row by row, which is the order of a kernel's numbers: the same memory in another shape. (The two warnings are
# right: the file knows no layers of these names.)

# %%
full = caffe.Net("full_conv.prototxt", caffe.TEST, weights=model / "digits.caffemodel")
for name, (new, _) in CONVOLUTIONS.items():
    for source, target in zip(net.params[name], full.params[new], strict=True):
        print(f"{name} {source.shape} -> {new} {target.shape}")
        target.data.flat = source.data.flat
full.summary()

# %% [markdown]
# On one digit both nets agree:

# %%
full.blobs["data"].reshape(1, 1, 28, 28)
one, other = net.forward(data=images[:1])["prob"], full.forward(data=images[:1])["prob"]
print(one.shape, other.shape, "largest difference", np.abs(one - other.squeeze()[np.newaxis]).max())
np.testing.assert_allclose(other.squeeze(), one.squeeze(), rtol=1e-4, atol=1e-6)

# %% [markdown]
# ## A page
#
# Digits here and there on a page. The net halves its input twice and looks at 28x28 pixels, so its output has one
# answer for each window, every 4 pixels: 22 x 50 answers in one pass, in which the windows share all that they have in
# common.

# %%
STRIDE, WINDOW = 4, 28
rng = np.random.default_rng(3)
page = np.zeros(PAGE, np.float32)
placed = []  # y, x and label of each
while len(placed) < 10:
    y, x = STRIDE * rng.integers(0, 22), STRIDE * rng.integers(0, 50)
    if all(max(abs(y - other_y), abs(x - other_x)) >= WINDOW for other_y, other_x, _ in placed):
        number = rng.integers(len(images))
        page[y : y + WINDOW, x : x + WINDOW] = images[number, 0]
        placed.append((y, x, labels[number]))

full.blobs["data"].reshape(1, 1, *PAGE)
full.forward(data=page[np.newaxis, np.newaxis])
probabilities, scores = full.blobs["prob"].data[0], full.blobs["ip2"].data[0]
print(probabilities.shape)

figure, axes = plt.subplots(2, 5, figsize=(14, 3.4), layout="constrained")
for digit, axis in enumerate(axes.flat):
    drawn = axis.imshow(scores[digit], cmap="RdBu_r", vmin=-12, vmax=12)
    axis.set_title(f"score of {digit}")
    axis.axis("off")
figure.colorbar(drawn, ax=axes)
plt.show()

# %% [markdown]
# The net was trained on digits in the middle of their window, and never on empty paper or on pieces of digits: there it
# answers something all the same. So only windows count that have all of a digit in their middle: ink, but none on the
# border, with its centre of gravity nearer to the window's centre than in the windows around.


# %%
def distance(window):
    """Return how far the ink's centre of gravity is from the window's centre, in pixels; infinite for no digit."""
    if window.sum() < 20 or window.sum() > window[1:-1, 1:-1].sum() + 1:
        return np.inf
    centre = [(window.sum(axis=1 - axis) * np.arange(WINDOW)).sum() / window.sum() for axis in (0, 1)]
    return np.hypot(*(np.array(centre) - (WINDOW - 1) / 2))


distances = np.full(scores.shape[1:], np.inf)
for y, x in np.ndindex(distances.shape):
    distances[y, x] = distance(page[STRIDE * y :, STRIDE * x :][:WINDOW, :WINDOW])

read = []
for y, x in np.ndindex(distances.shape):
    around = distances[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4]
    if distances[y, x] < 4 and distances[y, x] == around.min():
        read.append((STRIDE * y, STRIDE * x, probabilities[:, y, x].argmax(), probabilities[:, y, x].max()))

figure, axis = plt.subplots(figsize=(11, 5.6), layout="constrained")
axis.imshow(page, cmap="gray")
for y, x, digit, probability in read:
    axis.add_patch(plt.Rectangle((x, y), WINDOW, WINDOW, fill=False, color="C1"))
    axis.text(x + 1, y + 1, f"{digit}  {probability:.2f}", color="C1", va="top", fontsize=11)
axis.axis("off")
right = len({(y, x, digit) for y, x, digit, _ in read} & set(placed))
axis.set_title(f"{right} of {len(placed)} digits read, {len(read)} windows")
plt.show()

# %% [markdown]
# ## How far from the middle may a digit be?
#
# The digits above lie on the net's grid of 4 pixels. Anywhere else a digit is up to 2 pixels off in the nearest
# window. Here is the share of the 360 digits that the net knows, for each shift: one pixel costs it little, two a lot,
# since it saw all digits of its training in the middle. To read any page, train it with shifted ones (`crop_size` in
# `transform_param`).

# %%
SHIFTS = range(-4, 5)
net.blobs["data"].reshape(*images.shape)
known = np.zeros((len(SHIFTS), len(SHIFTS)))
for down, across in np.ndindex(known.shape):
    shifted = np.roll(images, (SHIFTS[down], SHIFTS[across]), (2, 3))
    known[down, across] = (net.forward(data=shifted)["prob"].argmax(axis=1) == labels).mean()
figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
drawn = axis.imshow(known, vmin=0, vmax=1, extent=(-4.5, 4.5, 4.5, -4.5))
axis.set(xlabel="pixels to the right", ylabel="pixels down", title=f"knows {known[4, 4]:.1%} in the middle")
figure.colorbar(drawn)
plt.show()

# %% [markdown]
# ## Keep it
#
# The prototxt and a caffemodel are a net like any other, for `caffelite` and for Caffe.

# %%
full.save("full_conv.caffemodel")
again = caffe.Net("full_conv.prototxt", caffe.TEST, weights="full_conv.caffemodel")
np.testing.assert_array_equal(again.forward(data=page[np.newaxis, np.newaxis])["prob"][0], probabilities)
assert right >= 8
