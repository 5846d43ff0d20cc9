"""What `caffelite show` and `caffelite explain` share: a net to run backward, and an image from a file as its input."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import caffelite.core.files as files
from caffelite.cli.command import Arguments
from caffelite.cli.flags import string
from caffelite.cli.options import IMAGE, NO_PYTHON_LAYERS
from caffelite.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from caffelite.core.blob import Array
    from caffelite.core.net.wiring.draft import Draft
    from caffelite.pycaffe import Net

MEAN = string(
    "mean",
    "",
    "What is taken off the image's bytes: a mean file, or a number for all channels, or one for each (104,117,123).",
    metavar="FILE|NUMBERS",
)
SCALE = string("scale", "1", "What the bytes, less the mean, are multiplied by: 0.00390625 makes them 0 to 1.")


def draft_of(model: str) -> Draft:
    """Return the net of a prototxt in phase TEST, every layer to be ready to run backward."""
    from caffelite.core.layer import layer_type_list
    from caffelite.core.net.wiring.draft import Draft
    from caffelite.core.net.wiring.state import with_caller_state
    from caffelite.core.prototxt.notes import log_notes
    from caffelite.core.prototxt.upgrade import load_net
    from caffelite.proto.caffe_pb2 import TEST

    param, lines, notes = load_net(Path(model), layer_type_list())
    log_notes(notes)
    param.force_backward = True  # the input gets a gradient, too
    return Draft.of(with_caller_state(param, TEST, 0, ()), lines)


def net_of(draft: Draft, model: str, weights: str, arguments: Arguments) -> Net:
    """Return the net of a draft that was made of the file `model`; `weights` is a file, or nothing."""
    from caffelite.core import random
    from caffelite.core.layer import Context
    from caffelite.pycaffe import Net

    context = Context(random.process_seed(), folder=Path(model).parent, python_layers=not arguments[NO_PYTHON_LAYERS])
    net = Net.from_draft(draft, context)
    if weights:
        net.copy_from(weights)
    return net


def fill(net: Net, arguments: Arguments) -> None:
    """Fill the net's first input with the image of the command line, as the only one of its batch.

    Without --image the net must have no inputs. Raises UsageError or DataError.
    """
    if not arguments[IMAGE]:
        if net.inputs:
            raise UsageError(f'the net reads no data by itself: give --image for its input "{net.inputs[0]}"')
        return
    if not net.inputs:
        raise UsageError("--image: the net has no Input layer; give its deploy.prototxt")
    blob = net.blobs[net.inputs[0]]
    if blob.num_axes != 4 or blob.channels not in (1, 3):
        raise UsageError(
            f'--image: the input "{net.inputs[0]}" has the shape {blob.shape}; an image fits (N, 1 or 3, height, width)'
        )
    image = load_image(arguments[IMAGE], blob.channels, blob.height, blob.width)
    blob.reshape(1, *image.shape)
    blob.data[0] = (image - _mean(arguments[MEAN], image)) * _number(arguments[SCALE], SCALE.name)


def load_image(path: str, channels: int, height: int, width: int) -> Array:
    """Return the image as (channels, height, width) float32 from 0 to 255, resized; 3 channels are blue, green, red.

    Raises DataError if it cannot be read or OpenCV is not installed.
    """
    import numpy as np

    from caffelite.core.data.image import opencv
    from caffelite.core.data.opencv import decode_as

    if problem := files.file_problem(path):
        raise DataError(f"--image: {problem}")
    try:
        image = decode_as(files.read_file(path), color=channels == 3)
    except DataError as err:
        raise DataError(f"--image: {path}: {err.message()}") from None
    cv2 = opencv()
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    values: Array = np.asarray(resized, np.float32).reshape(height, width, channels)
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def _mean(text: str, image: Array) -> Array:
    """Return what to take off an image (C, H, W), in a shape that fits it."""
    import numpy as np

    if not text:
        return np.zeros(1, np.float32)
    if not files.file_problem(text):
        from caffelite.core.data.mean import read_mean

        mean = read_mean(Path(text))[0]
        # of another size than the net's input its middle is taken, as from a larger image
        return _middle(mean, image) if mean.shape != image.shape else mean
    numbers = np.array([_number(part, MEAN.name) for part in text.split(",")], np.float32)
    if len(numbers) not in (1, len(image)):
        raise UsageError(
            f"--mean has {len(numbers)} numbers and the image {len(image)} channels; give 1 or {len(image)}"
        )
    return numbers[:, np.newaxis, np.newaxis]


def _middle(mean: Array, image: Array) -> Array:
    import numpy as np

    if mean.ndim != 3 or mean.shape[0] != image.shape[0] or any(np.less(mean.shape, image.shape)):
        raise UsageError(
            f"--mean: the mean has the shape {mean.shape}, the image {image.shape}; use the net's own mean"
        )
    top, left = ((large - small) // 2 for large, small in zip(mean.shape[1:], image.shape[1:], strict=True))
    return mean[:, top : top + image.shape[1], left : left + image.shape[2]]


def _number(text: str, flag: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise UsageError(f'--{flag}: "{text}" is no number, and no file of that name is there') from None
    if not isfinite(number):
        raise UsageError(f"--{flag}: {text} would make every value {text}; give another number")
    return number
