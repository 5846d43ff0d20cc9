"""The best classes of an image. Source: examples/cpp_classification/classification.cpp."""

from __future__ import annotations

import logging

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.data.image import opencv
from caffelite.core.data.opencv import decode_as, resize
from caffelite.core.errors import DataError, UsageError
from caffelite.core.files import read_file, require_file
from caffelite.proto import caffe_pb2
from caffelite.pycaffe import Net
from caffelite.tools.channel_mean import channel_mean

log = logging.getLogger("caffelite")


class ImageClassifier:
    """A net with one input of grey or BGR images, values from 0 to 255 less a mean, and one output: a value a class.

    `mean` is what channel_mean takes, one value or one for each channel; `labels` is a file with a line for each class.
    Raises UsageError for a net, a mean or labels that do not fit together.
    """

    def __init__(self, deploy: str, weights: str, mean: str, labels: str, python_layers: bool = True) -> None:
        self.labels = _read_labels(labels)
        self._mean = channel_mean(mean)
        self.net = Net(deploy, caffe_pb2.TEST, weights=weights, python_layers=python_layers)
        for names, kind in ((self.net.inputs, "input"), (self.net.outputs, "output")):
            if len(names) != 1:
                listed = f": {', '.join(names)}" if names else "; a deploy.prototxt begins with a layer of type Input"
                raise UsageError(f"{deploy}: Network should have exactly one {kind}; it has {len(names)}{listed}")
        shape = self.net.blobs[self.net.inputs[0]].shape
        if len(shape) != 4 or shape[1] not in (1, 3):
            raise UsageError(f"{deploy}: Input layer should have 1 or 3 channels; its shape is {shape}")
        self._shape = (1, *shape[1:])
        if len(self._mean) not in (1, shape[1]):
            raise UsageError(f"the mean is of {len(self._mean)} channels and the input of {deploy} has {shape[1]}")
        self.net.blobs[self.net.inputs[0]].reshape(*self._shape)
        self.net.reshape()
        output = self.net.blobs[self.net.outputs[0]]
        if output.count != len(self.labels):
            raise UsageError(
                f"{labels} has {len(self.labels)} labels, and the output {self.net.outputs[0]} has {output.count} "
                "values for an image; there must be as many"
            )

    def best(self, image: str, count: int = 5) -> list[tuple[str, float]]:
        """Return the labels and values of the `count` largest outputs, the largest first; equal ones in their order.

        Raises DataError for a file that is no image, OSError for one that cannot be read.
        """
        ready = self._prepare(_read_image(image))
        values = self.net.forward(None, None, None, **{self.net.inputs[0]: ready})[self.net.outputs[0]].ravel()
        if np.isnan(values).any():
            log.warning("%s: the output %s holds nan, which is no number", image, self.net.outputs[0])
        order = np.argsort(-values, kind="stable")[:count]  # what is no number comes last
        return [(self.labels[i], float(values[i])) for i in order]

    def _prepare(self, image: Array) -> Array:
        """Return the input, (1, C, H, W) float32, of an image (H, W, 3) BGR."""
        _, channels, height, width = self._shape
        if channels == 1:
            cv2 = opencv()
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[:, :, np.newaxis]
        if image.shape[:2] != (height, width):
            image = resize(image, height, width).reshape(height, width, channels)
        ready: Array = (image - self._mean.astype(np.float32)).astype(np.float32).transpose(2, 0, 1)[np.newaxis]
        return ready


def _read_labels(path: str) -> list[str]:
    require_file(path)
    text = read_file(path).decode("utf-8", "backslashreplace")
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def _read_image(path: str) -> Array:
    """Return an image, (H, W, 3) BGR uint8: of 16 bits the upper 8, grey as colour, alpha and EXIF's turn left out."""
    data = read_file(path)
    try:
        return decode_as(data, color=True)
    except DataError as err:
        raise DataError(f"Unable to decode image {path}: {err.message()}") from None
