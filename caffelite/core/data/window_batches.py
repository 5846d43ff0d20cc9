"""Batches of windows of images, some of objects and some of background. Source: layers/window_data_layer.cpp."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from caffelite.core import random
from caffelite.core.blob import Array
from caffelite.core.data.batch import Batch
from caffelite.core.data.listed_images import Reading, file_of
from caffelite.core.data.opencv import decode_as, resize
from caffelite.core.data.window_crop import Corners, Crop, place_window
from caffelite.core.data.window_file import WindowFile
from caffelite.core.errors import DataError

BACKGROUND, FOREGROUND = 0, 1


class Sampling(NamedTuple):
    """How many windows make a batch, how many of them, the last ones, are foreground, and whether they are mirrored."""

    size: int
    num_fg: int
    mirror: bool


class Values(NamedTuple):
    """What becomes of pixels: (pixel - mean) * scale; `mean` is (C, size, size), (C, 1, 1), or nothing."""

    mean: Array | None
    scale: float


class Draw(NamedTuple):
    """One item of a batch: the number of an image, the window in it, its label, and whether it is mirrored."""

    image: int
    window: Corners
    label: int
    mirrored: bool


class WindowFilling:
    """What is left to do for a batch: its windows, which several threads may fill at once; see Work."""

    def __init__(self, pieces: list[Callable[[], None]]) -> None:
        self._pieces = pieces

    def pieces(self) -> list[Callable[[], None]]:
        """Return a call for each window."""
        return self._pieces

    def finish(self) -> bool:
        """Say that nothing remains."""
        return True

    def restart(self) -> None:
        """Do nothing: `finish` never asks for it."""


class WindowBatches:
    """Fills batches with windows drawn with replacement, as a function of `key` and of how many were drawn before.

    With `cache` the image files are read at once and kept, undecoded.
    """

    def __init__(
        self,
        windows: WindowFile,
        reading: Reading,
        sampling: Sampling,
        crop: Crop,
        values: Values,
        key: int,
        cache: bool = False,
    ) -> None:
        self._windows, self._reading = windows, reading
        self._sampling, self._crop, self._values = sampling, crop, values
        self.key = key
        self._position = 0
        self._files = list(map(self._file, range(len(windows.paths)))) if cache else []

    def set_state(self, state: dict[str, Any]) -> None:
        """Let the next batch begin where the state of another one says."""
        self._position = int(state["position"])

    def load(self, batch: Batch) -> WindowFilling:
        """Begin to fill images, (batch_size, 3, size, size), and labels, (batch_size).

        What follows raises DataError, with the image, for one that cannot be read and for a window outside of it.
        """
        data, labels = batch.blobs
        data.reshape(self._sampling.size, 3, self._crop.size, self._crop.size)
        labels.reshape(self._sampling.size)
        draws = self.draws(self._position)
        labels.data[...] = [draw.label for draw in draws]
        self._position += self._sampling.size
        batch.state = {"position": self._position}
        return WindowFilling([partial(self._fill, draw, data.data[item]) for item, draw in enumerate(draws)])

    def draws(self, position: int) -> list[Draw]:
        """Return the items of the batch that begins when so many windows have been drawn."""
        size, num_fg, mirror = self._sampling
        generator = random.generator(self.key, position)
        numbers = generator.integers(0, 1 << 63, size)
        mirrored = generator.integers(0, 2, size).astype(bool) & mirror
        kinds = [BACKGROUND] * (size - num_fg) + [FOREGROUND] * num_fg
        draws = []
        for kind, number, is_mirrored in zip(kinds, numbers.tolist(), mirrored.tolist(), strict=True):
            windows = self._windows.foreground if kind == FOREGROUND else self._windows.background
            index = number % windows.total
            x1, y1, x2, y2 = windows.corners[index].tolist()
            draws.append(Draw(int(windows.images[index]), (x1, y1, x2, y2), int(windows.labels[index]), is_mirrored))
        return draws

    def _fill(self, draw: Draw, out: Array) -> None:
        """Fill `out`, (3, size, size), with the window; what lies outside of the image is 0, as is the mean."""
        data = self._files[draw.image] if self._files else self._file(draw.image)
        try:
            image = decode_as(data, color=True)
        except DataError as err:
            raise self._unreadable(draw.image, err) from None
        try:
            placed = place_window(draw.window, image.shape[0], image.shape[1], self._crop, draw.mirrored, out.dtype)
        except DataError as err:
            window = " ".join(map(str, draw.window))
            raise DataError(f"{self._where(draw.image)}: window {window}: {err}") from None
        x1, y1, x2, y2 = placed.region
        pixels = resize(image[y1 : y2 + 1, x1 : x2 + 1], placed.height, placed.width).transpose(2, 0, 1)
        rows, columns = slice(placed.top, placed.top + placed.height), slice(placed.left, placed.left + placed.width)
        out[...] = 0
        target = out[:, rows, columns]
        target[...] = pixels[:, :, ::-1] if draw.mirrored else pixels
        mean = self._values.mean
        if mean is not None:
            target -= mean[:, rows, columns] if mean.shape[1:] != (1, 1) else mean
        target *= self._values.scale

    def _file(self, image: int) -> bytes:
        try:
            return file_of(self._reading, self._windows.paths[image])
        except DataError as err:
            raise self._unreadable(image, err) from None

    def _unreadable(self, image: int, problem: DataError) -> DataError:
        return DataError(f"{self._where(image)}: Could not open or find file: {problem}")

    def _where(self, image: int) -> str:
        return f'{self._reading.list_file}: image {image}, "{self._windows.paths[image]}"'
