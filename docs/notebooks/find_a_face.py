# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Find a face
#
# MTCNN finds faces with three small nets, each looking closer than the one before at fewer places. They are in
# `models/mtcnn`, with the weights that their authors trained in 2016 with Caffe; the photograph beside this notebook is
# NASA's portrait of the astronaut Eileen Collins (public domain).
#
# `pip install 'caffelite[notebooks]'` installs what this needs.

# %%
import matplotlib.pyplot as plt
import numpy as np

import caffelite as caffe
from caffelite import examples

folder = examples.folder() / "models" / "mtcnn"
look, check, decide = (
    caffe.Net(folder / f"det{i}.prototxt", caffe.TEST, weights=folder / f"det{i}.caffemodel") for i in (1, 2, 3)
)
image = caffe.io.load_image("astronaut.jpg")  # (height, width, 3), RGB, 0 to 1
look.summary()

# %% [markdown]
# The first net has no inner product, only convolutions: it takes an image of any size, and each pixel of its output is
# the answer for one window of 12x12. The others see one window at a time, drawn at 24x24 and at 48x48.
#
# Two habits of the authors: pixels from -1 to 1, and, since they worked in MATLAB, x before y.


# %%
def as_input(pixels):
    """Return an image (height, width, 3) as the nets take it: (3, x, y)."""
    return (pixels.transpose(2, 1, 0) * 255 - 127.5) / 128


def run(net, batch):
    """Run the net on as many images as there are; return the outputs as arrays that stay."""
    net.blobs["data"].reshape(*batch.shape)
    return {name: values.copy() for name, values in net.forward(data=batch).items()}


# %% [markdown]
# ## 1. Look everywhere, in many sizes
#
# The window is always 12 pixels wide, so the image shrinks step by step: what is a face of 40 pixels first is one of
# 200 in the end. Here is what `det1` sees in four of the sizes.

# %%
SMALLEST, FACTOR = 40, 0.709  # the smallest face in pixels, and how much the image shrinks each time
height, width = image.shape[:2]
scales = []
scale = 12 / SMALLEST
while min(height, width) * scale >= 12:
    scales.append(scale)
    scale *= FACTOR

maps = []
for scale in scales:
    small = caffe.io.resize_image(image, (round(height * scale), round(width * scale)), anti_aliasing=True)
    maps.append(run(look, as_input(small)[np.newaxis]))

figure, axes = plt.subplots(1, 5, figsize=(14, 3.2), layout="constrained")
axes[0].imshow(image)
axes[0].set_title("the image")
for axis, number in zip(axes[1:], (0, 2, 4, 6), strict=True):
    drawn = axis.imshow(maps[number]["prob1"][0, 1].T, vmin=0, vmax=1)
    axis.set_title(f"faces of {12 / scales[number]:.0f} pixels")
figure.colorbar(drawn, ax=axes, label="probability")
for axis in axes:
    axis.axis("off")


# %% [markdown]
# Each bright pixel is a window. The net also says how the window should move and grow: `conv4-2` has the correction of
# x1, y1, x2 and y2, in window sizes. Of windows that overlap the most probable one stays ("non-maximum suppression").


# %%
def windows_of(outputs, scale, threshold):
    """Return windows (x1, y1, x2, y2) in pixels of the image, their corrections, and their probabilities."""
    face = outputs["prob1"][0, 1]
    x, y = np.nonzero(face > threshold)
    corner = 2 * np.stack([x, y], axis=1)  # the net halves its input once
    windows = np.concatenate([corner, corner + 12], axis=1) / scale
    return windows, outputs["conv4-2"][0, :, x, y], face[x, y]


def corrected(windows, corrections):
    size = windows[:, 2:] - windows[:, :2]
    return windows + corrections * np.tile(size, 2)


def squared(windows):
    """Return squares around the same centres, as wide as the longer side."""
    centre = (windows[:, :2] + windows[:, 2:]) / 2
    half = (windows[:, 2:] - windows[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def best(windows, scores, overlap, of_smaller=False):
    """Return which windows stay: the best one, and of the rest those that overlap it less than that, and so on."""
    area = (windows[:, 2:] - windows[:, :2]).prod(axis=1)
    stay, left = [], np.argsort(-scores)
    while len(left):
        first, left = left[0], left[1:]
        stay.append(first)
        corner1 = np.maximum(windows[first, :2], windows[left, :2])
        corner2 = np.minimum(windows[first, 2:], windows[left, 2:])
        common = np.clip(corner2 - corner1, 0, None).prod(axis=1)
        whole = np.minimum(area[first], area[left]) if of_smaller else area[first] + area[left] - common
        left = left[common / whole <= overlap]
    return stay


def draw(windows, scores, title, points=()):
    figure, axis = plt.subplots(figsize=(5, 5), layout="constrained")
    axis.imshow(image)
    for (x1, y1, x2, y2), score in zip(windows, scores, strict=True):
        axis.add_patch(plt.Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, color=plt.cm.plasma(score), linewidth=1.5))
    for x, y in points:
        axis.plot(x, y, "o", color="cyan", markersize=5)
    axis.set(title=f"{title}: {len(windows)}", xlim=(0, width), ylim=(height, 0))
    axis.axis("off")


found = []
for scale, outputs in zip(scales, maps, strict=True):
    windows, corrections, scores = windows_of(outputs, scale, 0.6)
    stay = best(windows, scores, 0.5)
    found.append((corrected(windows[stay], corrections[stay]), scores[stay]))
windows, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
stay = best(windows, scores, 0.7)
windows, scores = squared(windows[stay]), scores[stay]
draw(windows, scores, "windows after det1")


# %% [markdown]
# ## 2. Check
#
# `det2` sees these windows at 24x24. Here are some of them, with what it thinks.


# %%
def cut(windows, size):
    """Return the windows of the image, (N, size, size, 3); what lies outside of the image is black."""
    pieces = np.zeros((len(windows), size, size, 3), np.float32)
    for piece, (x1, y1, x2, y2) in zip(pieces, windows.round().astype(int), strict=True):
        whole = np.zeros((y2 - y1, x2 - x1, 3), np.float32)
        inside = image[max(y1, 0) : y2, max(x1, 0) : x2]
        top, left = max(-y1, 0), max(-x1, 0)
        whole[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
        piece[...] = caffe.io.resize_image(whole, (size, size), anti_aliasing=True)
    return pieces


pieces = cut(windows, 24)
outputs = run(check, np.stack([as_input(piece) for piece in pieces]))
scores = outputs["prob1"][:, 1]

order = np.argsort(-scores)
figure, axes = plt.subplots(2, 8, figsize=(12, 3.6), layout="constrained")
for axis, number in zip(axes.flat, [*order[:8], *order[-8:]], strict=False):
    axis.imshow(pieces[number])
    axis.set_title(f"{scores[number]:.3f}")
for axis in axes.flat:
    axis.axis("off")
figure.suptitle("most and least like a face, says det2")

stay = scores > 0.7
windows, corrections, scores = windows[stay], outputs["conv5-2"][stay], scores[stay]
stay = best(windows, scores, 0.7)
windows, scores = squared(corrected(windows[stay], corrections[stay])), scores[stay]
draw(windows, scores, "windows after det2")

# %% [markdown]
# ## 3. Decide, and say where the eyes are
#
# `det3` sees at 48x48 what is left, and has a third output: five points, first their x, then their y, in window sizes.

# %%
outputs = run(decide, np.stack([as_input(piece) for piece in cut(windows, 48)]))
stay = outputs["prob1"][:, 1] > 0.7
windows, scores = windows[stay], outputs["prob1"][stay, 1]
size = windows[:, 2:] - windows[:, :2]
points = (
    windows[:, np.newaxis, :2] + outputs["conv6-3"][stay].reshape(-1, 2, 5).transpose(0, 2, 1) * size[:, np.newaxis]
)
windows = corrected(windows, outputs["conv6-2"][stay])
stay = best(windows, scores, 0.7, of_smaller=True)
windows, scores, points = windows[stay], scores[stay], points[stay]
draw(windows, scores, "faces", points.reshape(-1, 2))
for window, score, five in zip(windows.round(), scores, points.round(), strict=True):
    print(f"a face, {score:.4f}: {window.astype(int)}; eyes at {five[:2].astype(int).tolist()}")

# %%
assert len(windows) == 1 and scores[0] > 0.99

# %% [markdown]
# And why? What speaks for a face in the window that is most like one, as the sum that the net computed, with its
# largest terms:

# %%
print(decide.why("conv6-1", outputs["prob1"][:, 1].argmax(), 1))
