"""Batches of windows of images, some of objects and some of background. Source: layers/window_data_layer.cpp."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from caffelite.core import random
from caffelite.core.blob import Array
from caffelite.core.data.bad_records import BadRecords
from caffelite.core.data.batch import Batch
from caffelite.core.data.listed_images import Reading, file_of
from caffelite.core.data.opencv import decode_as, resize
from caffelite.core.data.window_crop import Corners, Crop, Placed, place_window
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
    """One item of a batch: the number of an image, the window in it, its label, and whether it is mirrored.

    number: of the window, those of background first, then those of foreground.
    """

    number: int
    image: int
    window: Corners
    label: int
    mirrored: bool


class _Bad(NamedTuple):
    """Why a window is to be left out, and whether all others of its image are, too."""

    whole_image: bool
    error: DataError


class WindowFilling:
    """Fills one batch with the windows that were drawn for it, several threads at once; see Work."""

    def __init__(self, batches: WindowBatches, draws: list[Draw], data: Array, before: dict[str, Any]) -> None:
        self._batches, self._draws, self._data, self._before = batches, draws, data, before
        self._bad: dict[int, _Bad] = {}  # of items

    def pieces(self) -> list[Callable[[], None]]:
        """Return a call for each window."""
        return [partial(self._fill, item) for item in range(len(self._draws))]

    def finish(self) -> bool:
        """Say whether all could be read; if not, other windows have to be drawn instead of some."""
        return not self._bad

    def restart(self) -> None:
        """Let the next batch be this one, without the windows that cannot be read."""
        for item, (whole_image, error) in sorted(self._bad.items()):
            self._batches.leave_out(self._draws[item], whole_image, error)
        self._batches.set_state(self._before)

    def _fill(self, item: int) -> None:
        draw = self._draws[item]
        whole_image = True
        try:
            image = self._batches.decoded(draw.image)
            whole_image = False
            placed = self._batches.placed(draw, image, self._data.dtype)
        except DataError as err:
            if not self._batches.bad_records.skip:
                raise
            self._bad[item] = _Bad(whole_image, err)
            return
        self._batches.fill(draw, image, placed, self._data[item])


class WindowBatches:
    """Fills batches with windows drawn with replacement, as a function of `key` and of how many were drawn before.

    With `cache` the image files are read at once and kept, undecoded. With `skip_bad` another window of the same kind
    is drawn instead of one that is outside of its image, or whose image cannot be read; how often is "skipped" in the
    state. What is drawn does not depend on when such a window is found. Otherwise its batch is the last: it raises the
    DataError.
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
        skip_bad: bool = False,
    ) -> None:
        self._windows, self._reading = windows, reading
        self._sampling, self._crop, self._values = sampling, crop, values
        self.key = key
        self.bad_records = BadRecords(skip_bad, None)  # bad draws in a row say little of a file with few images
        self._unreadable: set[int] = set()  # numbers of images
        self._position = self._skipped = 0
        self._files: list[bytes | None] = [self._file_to_keep(i) for i in range(len(windows.paths))] if cache else []

    def set_state(self, state: dict[str, Any]) -> None:
        """Let the next batch begin where the state of another one says."""
        self._position, self._skipped = int(state["position"]), int(state.get("skipped", 0))

    def get_state(self) -> dict[str, Any]:
        """Return where the next batch begins."""
        return {"position": self._position, **({"skipped": self._skipped} if self._skipped else {})}

    def load(self, batch: Batch) -> WindowFilling:
        """Begin to fill images, (batch_size, 3, size, size), and labels, (batch_size).

        What follows raises DataError, with the image, for one that cannot be read and for a window outside of it.
        """
        data, labels = batch.blobs
        data.reshape(self._sampling.size, 3, self._crop.size, self._crop.size)
        labels.reshape(self._sampling.size)
        before = self.get_state()
        draws = self.draws(self._position)
        labels.data[...] = [draw.label for draw in draws]
        batch.records = [draw.number for draw in draws]
        self._position += self._sampling.size
        batch.state = self.get_state()
        return WindowFilling(self, draws, data.data, before)

    def draws(self, position: int) -> list[Draw]:
        """Return the items of the batch that begins when so many windows have been drawn."""
        size, num_fg, mirror = self._sampling
        generator = random.generator(self.key, position)
        numbers = generator.integers(0, 1 << 63, size)
        mirrored = generator.integers(0, 2, size).astype(bool) & mirror
        kinds = [BACKGROUND] * (size - num_fg) + [FOREGROUND] * num_fg
        draws = []
        for item, (kind, number) in enumerate(zip(kinds, numbers.tolist(), strict=True)):
            draws.append(self._readable(position + item, kind, number, bool(mirrored[item])))
        return draws

    def _readable(self, position: int, kind: int, number: int, mirrored: bool) -> Draw:
        """Return the draw of this number, or, if it is known to be bad, the first of others that is not.

        Raises DataError if there is no end of bad ones.
        """
        self.bad_records.begin()
        draw = self._draw(kind, number, mirrored)
        generator = None
        while self.bad_records.readable([self._key(draw)]) is not None:
            generator = generator or random.generator(self.key, position, "instead")
            self._skipped += 1
            draw = self._draw(kind, int(generator.integers(0, 1 << 63)), mirrored)
        return draw

    def _draw(self, kind: int, number: int, mirrored: bool) -> Draw:
        windows = self._windows.foreground if kind == FOREGROUND else self._windows.background
        index = number % windows.total
        x1, y1, x2, y2 = windows.corners[index].tolist()
        number = index + (self._windows.background.total if kind == FOREGROUND else 0)
        return Draw(number, int(windows.images[index]), (x1, y1, x2, y2), int(windows.labels[index]), mirrored)

    def name_of(self, number: int) -> str:
        """Return a window's name by the number of its draws: the file, the image and the corners."""
        foreground, background = self._windows.foreground, self._windows.background
        index = number - background.total
        windows, index = (background, number) if index < 0 else (foreground, index)
        corners = " ".join(map(str, windows.corners[index].tolist()))
        return f"{self._where(int(windows.images[index]))}: window {corners}"

    def leave_out(self, draw: Draw, whole_image: bool, error: DataError) -> None:
        """Draw this window no more, nor, with `whole_image`, any other of its image; no batch is being filled."""
        if whole_image:
            self._unreadable.add(draw.image)
        self.bad_records.add(self._key(draw), error)

    def _key(self, draw: Draw) -> bytes:
        """Return what tells a bad window from others: its image, if all of that are bad."""
        return f"{draw.image} {() if draw.image in self._unreadable else draw.window}".encode()

    def decoded(self, number: int) -> Array:
        """Return the pixels of an image, (H, W, C) uint8; DataError if it cannot be read."""
        data = self._files[number] if self._files else None
        if data is None:
            data = self._file(number)
        try:
            return decode_as(data, color=True)
        except DataError as err:
            raise self._unreadable_image(number, err) from None

    def placed(self, draw: Draw, image: Array, dtype: np.dtype[Any]) -> Placed:
        """Return where the window's pixels come from and go to; DataError if it is outside of the image."""
        try:
            return place_window(draw.window, image.shape[0], image.shape[1], self._crop, draw.mirrored, dtype)
        except DataError as err:
            window = " ".join(map(str, draw.window))
            raise DataError(f"{self._where(draw.image)}: window {window}: {err}") from None

    def fill(self, draw: Draw, image: Array, placed: Placed, out: Array) -> None:
        """Fill `out`, (3, size, size), with the window; what lies outside of the image is 0, as is the mean."""
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

    def _file_to_keep(self, number: int) -> bytes | None:
        """Return the bytes of an image file; None if it cannot be read and is left out when it is drawn."""
        try:
            return self._file(number)
        except DataError:
            if not self.bad_records.skip:
                raise
            return None

    def _file(self, number: int) -> bytes:
        try:
            return file_of(self._reading, self._windows.paths[number])
        except DataError as err:
            raise self._unreadable_image(number, err) from None

    def _unreadable_image(self, number: int, problem: DataError) -> DataError:
        return DataError(f"{self._where(number)}: Could not open or find file: {problem}")

    def _where(self, image: int) -> str:
        return f'{self._reading.list_file}: image {image}, "{self._windows.paths[image]}"'
