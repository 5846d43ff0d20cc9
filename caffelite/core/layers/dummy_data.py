"""DummyData: blobs filled with made-up values. Source: src/caffe/layers/dummy_data_layer.cpp."""

from __future__ import annotations

from typing import TypeVar

from caffelite.core import random
from caffelite.core.blob import Shape
from caffelite.core.errors import LayerError
from caffelite.core.fillers import check_filler, fill
from caffelite.core.layer import Blobs, Layer, TopMemory, register_layer
from caffelite.proto import caffe_pb2

T = TypeVar("T")

AXES = ("num", "channels", "height", "width")  # the old form of `shape`


@register_layer("DummyData")
class DummyDataLayer(Layer):
    """Fill tops with constants once, at set-up, or with random numbers, afresh in each forward.

    top[i]: the i-th `shape`, or the only one; filled by the i-th `data_filler`, the only one, or with 0.

    Raises LayerError for other numbers of shapes or fillers than one or one a top, for `shape` beside num, channels,
    height and width, and for a filler that refuses its values.
    """

    messages = ("dummy_data_param",)
    formula = "y = what the data_filler of each top makes, made-up values"
    exact_num_bottom_blobs = 0
    min_top_blobs = 1
    has_backward = False

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the tops and fill those that are constant."""
        param = self.layer_param.dummy_data_param
        self._fillers = _fillers(param, len(top))
        for blob, shape in zip(top, _shapes(param, len(top)), strict=True):
            blob.reshape(*shape)
        self._fill(top, constant=True)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Do nothing: the shapes were set once."""

    def top_memory(self, top_index: int) -> TopMemory:
        """Say that constants are filled once."""
        return TopMemory.KEPT if self._fillers[top_index].type == "constant" else TopMemory.OWN

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Draw the random tops anew; constant ones stay as they are, even if the user overwrote them."""
        self._fill(top, constant=False)

    def _fill(self, top: Blobs, constant: bool) -> None:
        for index, (blob, filler) in enumerate(zip(top, self._fillers, strict=True)):
            if (filler.type == "constant") == constant:
                rng = random.generator(self.context.seed, self.name, "fill", index, self.context.passes)
                given = min(index, len(self.layer_param.dummy_data_param.data_filler) - 1)
                fill(blob, filler, rng, f"dummy_data_param.data_filler[{given}]")


def _fillers(param: caffe_pb2.DummyDataParameter, tops: int) -> list[caffe_pb2.FillerParameter]:
    """Return one filler a top."""
    given = list(param.data_filler) or [caffe_pb2.FillerParameter()]
    if len(given) not in (1, tops):
        raise LayerError(
            "dummy_data_param.data_filler",
            f"given {len(given)} times",
            f"Number of data fillers must be 0, 1 or equal to the number of tops: {tops}",
        )
    for index, filler in enumerate(given):
        check_filler(filler, f"dummy_data_param.data_filler[{index}]")
    return given if len(given) == tops else given * tops


def _shapes(param: caffe_pb2.DummyDataParameter, tops: int) -> list[Shape]:
    """Return one shape a top, from `shape` or from num, channels, height and width."""
    legacy = [list(getattr(param, axis)) for axis in AXES]
    if not any(legacy):
        shapes = [tuple(shape.dim) for shape in param.shape]
        return _once_or_each("shape", shapes, tops)
    if param.shape:
        raise LayerError(
            "dummy_data_param.shape",
            "given beside num, channels, height or width",
            "Both shape and legacy fields were specified; leave one of the two forms out",
        )
    return list(zip(*(_once_or_each(axis, sizes, tops) for axis, sizes in zip(AXES, legacy, strict=True)), strict=True))


def _once_or_each(field: str, given: list[T], tops: int) -> list[T]:
    if len(given) not in (1, tops):
        raise LayerError(
            f"dummy_data_param.{field}", f"given {len(given)} times", f"write it once, or once per top blob: {tops}"
        )
    return given if len(given) == tops else given * tops
