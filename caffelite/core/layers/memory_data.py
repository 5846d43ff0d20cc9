"""MemoryData: arrays in memory, batch by batch. Source: src/caffe/layers/memory_data_layer.cpp."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from caffelite.core.blob import Array, Shape
from caffelite.core.data.datum import DatumReader
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_string
from caffelite.core.layer import Blobs, Layer, State, TopMemory, register_layer
from caffelite.core.layers.shared.transforming import draws_key, transformer_of
from caffelite.proto import caffe_pb2

log = logging.getLogger("caffelite")

FIELDS = ("batch_size", "channels", "height", "width")


@register_layer("MemoryData")
class MemoryDataLayer(Layer):
    """Read batches from arrays that the user gave, one after the other, for ever.

    top[0]: (batch_size, channels, height, width).
    top[1]: (batch_size), from the first forward on (batch_size, 1, 1, 1): labels.

    `reset` takes arrays as they are: the tops live in their memory, and layers that work in place on a top write into
    it. `add_datum_vector` and `add_mat_vector` copy images and transform them as transform_param says. The position is
    kept in the layer's state; the arrays have to be given again when a run is resumed, before restoring.

    Raises LayerError for a size of 0, for arrays that do not fit, and for forward before there is data.
    """

    messages = ("memory_data_param", "transform_param")
    formula = "y = the next {memory_data_param.batch_size} items of the arrays given to it"
    not_read = {
        "transform_param.force_color": "it is for encoded images, of Data layers",
        "transform_param.force_gray": "it is for encoded images, of Data layers",
    }
    exact_num_bottom_blobs = 0
    exact_num_top_blobs = 2
    has_backward = False

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read the sizes and shape the tops."""
        param = self.layer_param.memory_data_param
        for field in FIELDS:
            if getattr(param, field) < 1:
                raise LayerError(f"memory_data_param.{field}", getattr(param, field), "use 1 or more")
        self.batch_size = param.batch_size
        self.item_shape: Shape = (param.channels, param.height, param.width)
        top[0].reshape(self.batch_size, *self.item_shape)  # which refuses sizes that no blob has
        top[1].reshape(self.batch_size)
        self._data, self._labels = np.empty((0, *self.item_shape), self.dtype), np.empty(0, self.dtype)
        self._position = self._transformed = 0
        self._has_new_data = False
        self._transformer = transformer_of(self)

    def reset(self, data: Array, labels: Array) -> None:
        """Read from these arrays from now on, beginning with item 0.

        `data` is (N, channels, height, width) and `labels` (N) or (N, 1, 1, 1), C-contiguous, of the net's number type,
        N a multiple of batch_size. Nothing is copied, except from arrays that cannot be written to.
        """
        _check_array("data array", data, self.dtype)
        for index, field in enumerate(FIELDS[1:]):
            if data.shape[index + 1] != self.item_shape[index]:
                raise LayerError(
                    "data array",
                    shape_string(data.shape),
                    f"wrong number of {field}: {self.item_shape[index]} expected",
                )
        if isinstance(labels, np.ndarray) and labels.ndim == 1:
            labels = labels[:, np.newaxis, np.newaxis, np.newaxis]
        _check_array("labels array", labels, self.dtype)
        if labels.shape[1:] != (1, 1, 1):
            raise LayerError(
                "labels array", shape_string(labels.shape), "one label an item is expected: (N) or (N, 1, 1, 1)"
            )
        if len(data) != len(labels):
            raise LayerError(
                "labels array",
                shape_string(labels.shape),
                f"data and labels must have the same first dimension, {len(data)}",
            )
        self._check_number(len(data))
        if self.layer_param.HasField("transform_param"):
            log.warning("MemoryData does not transform array data on Reset()")
        self._take(data, labels)

    def _check_number(self, num: int) -> None:
        if num == 0 or num % self.batch_size:
            raise LayerError(
                "data array", f"of {num} items", f"their number must be a multiple of the batch size, {self.batch_size}"
            )

    def _take(self, data: Array, labels: Array) -> None:
        self._data, self._labels = (np.require(array, requirements=("C", "A", "W")) for array in (data, labels))
        self._position = 0
        self._has_new_data = False

    def add_datum_vector(self, datums: Sequence[caffe_pb2.Datum]) -> None:
        """Read from these Datum messages, transformed, once what was added before is used up."""
        self._refuse_if_unread()
        reader = DatumReader(f'layer "{self.name}"')
        read = [reader.read(b"%d" % i, datum.SerializeToString()) for i, datum in enumerate(datums)]
        self._add([pixels for pixels, _ in read], [datum.label for datum in datums])

    def add_mat_vector(self, images: Sequence[npt.NDArray[np.uint8]], labels: Sequence[int]) -> None:
        """Read from these images, (H, W, C) or (H, W) uint8, transformed, once what was added before is used up."""
        self._refuse_if_unread()
        if len(images) != len(labels):
            raise LayerError("labels", f"{len(labels)} numbers", f"{len(images)} images need a label each")
        for index, image in enumerate(images):
            if image.dtype != np.uint8 or image.ndim not in (2, 3):
                raise LayerError(
                    f"image {index}", f"{image.dtype} of {shape_string(image.shape)}", "uint8, (H, W, C), is expected"
                )
        self._add([image[np.newaxis] if image.ndim == 2 else image.transpose(2, 0, 1) for image in images], labels)

    def _refuse_if_unread(self) -> None:
        if self._has_new_data:
            raise LayerError(
                "the data",
                "not used up",
                "can't add data or change the batch size until current data has been consumed: run more forwards",
            )

    def _add(self, images: Sequence[Array], labels: Sequence[int]) -> None:
        self._check_number(len(images))
        self._transformer.key = draws_key(self)  # a resumed run takes up another seed
        data = np.empty((len(images), *self.item_shape), self.dtype)
        for index, image in enumerate(images):
            shape = self._transformer.shape_of(image.shape)
            if shape != self.item_shape:
                raise LayerError(
                    f"image {index}",
                    shape_string(shape),
                    f"{shape_string(self.item_shape)} is expected, after cropping",
                )
            self._transformer.transform(image, self._transformed + index, data[index])
        self._transformed += len(images)
        self._take(data, np.array(labels, self.dtype))
        self._has_new_data = True

    def set_batch_size(self, batch_size: int) -> None:
        """Read so many items a pass from now on; not while added data is waiting, and only if it divides the data."""
        self._refuse_if_unread()
        if batch_size < 1 or len(self._data) % batch_size or self._position % batch_size:
            raise LayerError(
                "batch_size", batch_size, f"it must divide {len(self._data)} items, and those passed so far"
            )
        self.batch_size = batch_size

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Do nothing: each batch shapes the tops."""

    def top_memory(self, top_index: int) -> TopMemory:
        """Say that the tops are the user's arrays."""
        return TopMemory.KEPT

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Let the tops use the memory of the next batch."""
        num, size = len(self._data), self.batch_size
        if not num:
            raise LayerError(
                "data",
                "missing",
                "MemoryDataLayer needs to be initialized by calling Reset: net.set_input_arrays(data, labels)",
            )
        start = self._position % num // size * size
        top[0].reshape(size, *self.item_shape)
        top[1].reshape(size, 1, 1, 1)
        top[0].set_data_storage(self._data[start : start + size].reshape(-1))
        top[1].set_data_storage(self._labels[start : start + size].reshape(-1))
        self._position = (start + size) % num
        if self._position == 0:
            self._has_new_data = False

    def get_state(self) -> State:
        """Return the position in the data and how many images were transformed."""
        return {"position": self._position, "transformed": self._transformed}

    def set_state(self, state: State) -> None:
        """Go on from a position; the data of that run has been given again."""
        self._position, self._transformed = int(state["position"]), int(state["transformed"])


def _check_array(name: str, array: Array, dtype: np.dtype[np.generic]) -> None:
    """Raise LayerError unless `array` is a C-contiguous array of 4 axes and of `dtype`."""
    if not isinstance(array, np.ndarray):
        raise LayerError(name, type(array).__name__, "a numpy array is expected")
    if not array.flags.c_contiguous:
        raise LayerError(name, "not C contiguous", "must be C contiguous: numpy.ascontiguousarray makes it so")
    if array.ndim != 4:
        raise LayerError(name, shape_string(array.shape), "must be 4-d")
    if array.dtype != dtype:
        raise LayerError(name, array.dtype, f"must be {dtype}: use astype")
