"""Transformer: an image (H, W, K) of values from 0 to 1 to the input of a net, and back. Source: python/caffe/io.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from caffelite.core.blob import Array
from caffelite.core.data.resize import resize_image
from caffelite.core.errors import UnknownNameError, UsageError
from caffelite.core.prototxt.suggest import did_you_mean


class Transformer:
    """Prepares images for the inputs of a net, as is set for each of them.

    `inputs` are the shapes of the inputs by their names, `{"data": net.blobs["data"].data.shape}`. The settings stand
    in dicts by the input's name: `transpose`, `channel_swap`, `raw_scale`, `mean`, `input_scale`; what is not set is
    skipped. `anti_aliasing` smooths images (and means) that are shrunk, see resize_image; Caffe's own time did not.

    Errors are UsageError, a ValueError, and for an unknown input UnknownNameError, a KeyError.
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]], *, anti_aliasing: bool = False) -> None:
        self.inputs = inputs
        self.anti_aliasing = anti_aliasing
        self.transpose: dict[str, Sequence[int]] = {}
        self.channel_swap: dict[str, Sequence[int]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, Array] = {}
        self.input_scale: dict[str, float] = {}

    def _shape(self, in_: str) -> tuple[int, ...]:
        if in_ not in self.inputs:
            known = ", ".join(self.inputs)
            raise UnknownNameError(f'"{in_}" is not one of the net inputs: {known}{did_you_mean(in_, self.inputs)}')
        return tuple(self.inputs[in_])

    def preprocess(self, in_: str, data: npt.ArrayLike) -> Array:
        """Return what to put into input `in_`, float32, mostly (C, H, W), of an image (H, W, K); `data` stays as it is.

        In this order: resized to the input's height and width, transposed, channels swapped, times raw_scale, minus
        mean, times input_scale.
        """
        shape = self._shape(in_)
        image = np.array(data, np.float32)
        if image.ndim != len(shape) - 1:
            hint = "; write image[:, :, np.newaxis]" if (image.ndim, len(shape)) == (2, 4) else ""
            raise UsageError(f'"{in_}" has the shape {shape}; an image of the shape {image.shape} does not fit{hint}')
        if len(shape) == 4 and image.shape[:2] != shape[2:]:
            image = resize_image(image, shape[2:], anti_aliasing=self.anti_aliasing)
        if in_ in self.transpose:
            image = image.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            order = self.channel_swap[in_]
            if len(order) != image.shape[0]:
                raise UsageError(
                    f'"{in_}" has {len(order)} channels to swap, and an image of the shape {np.shape(data)} gives '
                    f"{image.shape[0]}"
                )
            image = image[list(order)]
        if in_ in self.raw_scale:
            image *= self.raw_scale[in_]
        if in_ in self.mean:
            image -= self.mean[in_]
        if in_ in self.input_scale:
            image *= self.input_scale[in_]
        return image

    def deprocess(self, in_: str, data: npt.ArrayLike) -> Array:
        """Return the image that `preprocess` made the input `data` of, but for the size.

        `data` is (C, H, W), or (1, C, H, W) as in the blob. Without a transpose, axes of size 1 are left out.
        """
        shape = self._shape(in_)
        image: Array = np.array(data)
        if image.dtype.kind != "f":
            image = image.astype(np.float32)
        while image.ndim > len(shape) - 1 and image.shape[0] == 1:
            image = image[0]
        if in_ in self.input_scale:
            image /= self.input_scale[in_]
        if in_ in self.mean:
            image += self.mean[in_]
        if in_ in self.raw_scale:
            image /= self.raw_scale[in_]
        if in_ in self.channel_swap:
            image = image[np.argsort(self.channel_swap[in_])]
        if in_ not in self.transpose:
            return image.squeeze()
        axes = np.argsort(self.transpose[in_])
        turned: Array = image.transpose(*axes.tolist())
        return turned

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """Set the order of the image's axes in the input: (2, 0, 1) for (C, H, W) of (H, W, C)."""
        axes = len(self._shape(in_)) - 1
        if sorted(order) != list(range(axes)):
            raise UsageError(
                f'transpose is {order}; "{in_}" needs each of 0 to {axes - 1} once, the same number of dimensions as it'
            )
        self.transpose[in_] = order

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """Set which channel of the image each one of the input is: (2, 1, 0) for BGR of RGB."""
        channels = self._shape(in_)[1]
        if len(order) != channels or not all(0 <= channel < channels for channel in order):
            raise UsageError(
                f'channel_swap is {order}; "{in_}" needs the same number of dimensions as it has channels: '
                f"{channels} numbers from 0 to {channels - 1}"
            )
        self.channel_swap[in_] = order

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """Set what the image's values are multiplied by before the mean is taken off: 255 for a net of 0 to 255."""
        self._shape(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: npt.ArrayLike) -> None:
        """Set what is taken off: a value for each channel, or an image (C, H, W) or (H, W) of the input's channels.

        Channels are in the input's order, values in its range after raw_scale. An image of another size is resized;
        (C, 1, 1) is a value for each channel. It is kept as (C, H, W) or (C, 1, 1).
        """
        shape = self._shape(in_)
        values = np.asarray(mean)
        if values.dtype.kind not in "fiu":
            raise UsageError(
                f"a mean is an array of numbers, not {mean!r}; read a file by blobproto_to_array or np.load"
            )
        if values.ndim not in (1, 2, 3):
            hint = "; give mean[0]" if values.ndim == 4 and len(values) == 1 else ""
            raise UsageError(f"Mean shape invalid: {values.shape}; use (C), (H, W) or (C, H, W){hint}")
        if values.ndim < 3:
            values = values[:, np.newaxis, np.newaxis] if values.ndim == 1 else values[np.newaxis]
        if len(values) != shape[1] and (np.ndim(mean) == 1 or len(values) != 1):
            raise UsageError(f'Mean channels incompatible with input: {len(values)}, and "{in_}" has {shape[1]}')
        if values.shape[1:] not in ((1, 1), shape[2:]):
            image = values.transpose(1, 2, 0)
            values = resize_image(image, shape[2:], anti_aliasing=self.anti_aliasing).transpose(2, 0, 1)
        self.mean[in_] = values

    def set_input_scale(self, in_: str, scale: float) -> None:
        """Set what the values are multiplied by in the end, after the mean was taken off."""
        self._shape(in_)
        self.input_scale[in_] = scale
