"""MTCNN: three nets in a row that find faces. Source: kpzhang93/MTCNN_face_detection_alignment, and models/mtcnn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from caffelite.boxes.box import Box, best
from caffelite.core.blob import Array
from caffelite.core.data.resize import resize_image
from caffelite.core.errors import UsageError
from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net

NETS = ("det1", "det2", "det3")
WINDOW = 12  # pixels that one pixel of det1's output sees, and
STEP = 2  # pixels between two of them
SHRINKING = 0.709  # from one size of the image to the next: areas are halved
THRESHOLDS = (0.6, 0.7, 0.7)  # of the three nets' probabilities
FACE = 0  # the only label
BATCH = 64  # windows that a net sees at once


class Found(NamedTuple):
    """Windows (N, 4), x1 y1 x2 y2 in pixels of the image, with the probability that each is a face, (N)."""

    windows: Array
    scores: Array


FILES = tuple(f"{name}.{end}" for name in NETS for end in ("prototxt", "caffemodel"))


def require_cascade(folder: Path) -> None:
    """Raise UsageError, naming what is missing, for a folder that does not hold the three nets and their weights."""
    missing = [name for name in FILES if not (folder / name).is_file()]
    if len(missing) == len(FILES):
        raise UsageError(f"{folder} is no folder with det1.prototxt, det1.caffemodel and so on to det3.caffemodel")
    if missing:
        raise UsageError(f"{folder} has no {' and no '.join(missing)}; MTCNN is three nets and their weights")


class MTCNN:
    """The cascade of `det1`, which looks at windows in all places and sizes, `det2` and `det3`, which look closer.

    folder:   where det1.prototxt, det1.caffemodel, det2.prototxt, ... are, as models/mtcnn.
    smallest: side of the smallest faces to look for, in pixels, 12 or more.

    Raises UsageError if a file is missing, or for a smaller `smallest`.
    """

    def __init__(self, folder: str | Path, smallest: int = 40, thresholds: Sequence[float] = THRESHOLDS) -> None:
        require_cascade(Path(folder))
        if smallest < WINDOW:
            raise UsageError(f"the smallest face is {smallest} pixels wide; MTCNN sees none below {WINDOW}")
        self.smallest, self.thresholds = smallest, tuple(thresholds)
        self.nets = [Net(Path(folder) / f"{name}.prototxt", TEST, weights=_weights(folder, name)) for name in NETS]

    def detect(self, image: Array) -> list[Box]:
        """Return the faces in an image (H, W, 3), RGB, values from 0 to 1, the most probable first.

        A box has label 0 and five points: left and right eye, nose, left and right corner of the mouth.
        """
        found = self._look_everywhere(image)
        found = self._check(image, found)
        return self._decide(image, found)

    def _look_everywhere(self, image: Array) -> Found:
        """Return the windows that det1 lets through, in all sizes of the image."""
        parts = [self._look(image, scale) for scale in _scales(image.shape, self.smallest)]
        windows = np.concatenate([part.windows for part in parts] or [np.zeros((0, 4))])
        scores = np.concatenate([part.scores for part in parts] or [np.zeros(0)])
        stay = best(windows, scores, 0.7)
        return Found(_squared(windows[stay]), scores[stay])

    def _look(self, image: Array, scale: float) -> Found:
        height, width = (round(size * scale) for size in image.shape[:2])
        small = resize_image(image, (height, width), anti_aliasing=True)
        outputs = _run(self.nets[0], _as_input(small[np.newaxis]))
        faces = outputs["prob1"][0, 1]
        x, y = np.nonzero(faces > self.thresholds[0])
        corners = STEP * np.stack([x, y], axis=1)
        windows = np.concatenate([corners, corners + WINDOW], axis=1) / scale
        stay = best(windows, faces[x, y], 0.5)
        corrections = outputs["conv4-2"][0][:, x, y].T
        return Found(_corrected(windows[stay], corrections[stay]), faces[x, y][stay])

    def _check(self, image: Array, found: Found) -> Found:
        """Return those of the windows that det2 lets through, moved as it says."""
        outputs = self._closer(1, image, found.windows)
        scores = outputs["prob1"][:, 1]
        kept = scores > self.thresholds[1]
        windows, corrections, scores = found.windows[kept], outputs["conv5-2"][kept], scores[kept]
        stay = best(windows, scores, 0.7)
        return Found(_squared(_corrected(windows[stay], corrections[stay])), scores[stay])

    def _decide(self, image: Array, found: Found) -> list[Box]:
        """Return what det3 takes for faces."""
        outputs = self._closer(2, image, found.windows)
        scores = outputs["prob1"][:, 1]
        kept = scores > self.thresholds[2]
        windows, scores = found.windows[kept], scores[kept]
        sizes = (windows[:, 2:] - windows[:, :2])[:, np.newaxis]
        places = outputs["conv6-3"][kept].reshape(-1, 2, 5).transpose(0, 2, 1)
        points = windows[:, np.newaxis, :2] + places * sizes
        windows = _corrected(windows, outputs["conv6-2"][kept])
        stay = best(windows, scores, 0.7, of_smaller=True)
        return [_face(windows[index], scores[index], points[index]) for index in stay]

    def _closer(self, index: int, image: Array, windows: Array) -> dict[str, Array]:
        """Return the outputs of det2 or det3 for windows, some at a time."""
        net = self.nets[index]
        size = net.blobs["data"].shape[2]
        parts = [
            _run(net, _as_input(_cut(image, windows[start : start + BATCH], size)))
            for start in range(0, max(len(windows), 1), BATCH)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _weights(folder: str | Path, name: str) -> Path:
    return Path(folder) / f"{name}.caffemodel"


def _face(window: Array, score: float, points: Array) -> Box:
    x1, y1, x2, y2 = map(float, window)
    return Box(FACE, float(score), x1, y1, x2, y2, tuple((float(x), float(y)) for x, y in points))


def _scales(shape: Sequence[int], smallest: int) -> list[float]:
    """Return the factors by which the image is shrunk, so that faces from `smallest` to its whole height fit det1."""
    scales = []
    scale = WINDOW / smallest
    while min(shape[0], shape[1]) * scale >= WINDOW:
        scales.append(scale)
        scale *= SHRINKING
    return scales


def _as_input(images: Array) -> Array:
    """Return images (N, H, W, 3) as the nets take them: (N, 3, x, y), from -1 to 1; the authors worked in MATLAB."""
    pixels: Array = images.transpose(0, 3, 2, 1) * 255
    return (pixels - 127.5) / 128


def _run(net: Net, batch: Array) -> dict[str, Array]:
    net.blobs["data"].reshape(*batch.shape)
    return {name: values.copy() for name, values in net.forward(data=batch).items()}


def _corrected(windows: Array, corrections: Array) -> Array:
    """Return windows whose corners are moved by `corrections`, in window sizes."""
    moved: Array = windows + corrections * np.tile(windows[:, 2:] - windows[:, :2], 2)
    return moved


def _squared(windows: Array) -> Array:
    """Return squares around the same centres, as wide as the longer side."""
    centre = (windows[:, :2] + windows[:, 2:]) / 2
    half = (windows[:, 2:] - windows[:, :2]).max(axis=1, keepdims=True, initial=0) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def _cut(image: Array, windows: Array, size: int) -> Array:
    """Return the windows of the image, (N, size, size, 3); what lies outside of the image is black."""
    height, width = image.shape[:2]
    pieces = np.zeros((len(windows), size, size, 3), np.float32)
    for piece, (x1, y1, x2, y2) in zip(pieces, windows.round().astype(int), strict=True):
        whole = np.zeros((max(y2 - y1, 1), max(x2 - x1, 1), 3), np.float32)
        inside = image[max(y1, 0) : max(min(y2, height), 0), max(x1, 0) : max(min(x2, width), 0)]
        top, left = max(-y1, 0), max(-x1, 0)
        whole[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
        piece[...] = resize_image(whole, (size, size), anti_aliasing=True)
    return pieces
