"""Kernel, stride, pad and dilation of a ConvolutionParameter, for any number of spatial axes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from caffelite.core.blob import Shape
from caffelite.core.errors import LayerError
from caffelite.proto import caffe_pb2

SIDES = {"kernel_size": ("kernel_h", "kernel_w"), "stride": ("stride_h", "stride_w"), "pad": ("pad_h", "pad_w")}
NAMES = (("p", "pq"), ("i", "ij"))  # of windows and taps: for any number of axes, for two
LEAST = {"kernel_size": 1, "stride": 1, "pad": 0, "dilation": 1}


class Window(NamedTuple):
    """How a kernel steps over an image: one number for each spatial axis in every member."""

    kernel: Shape
    stride: Shape
    pad: Shape
    dilation: Shape

    @property
    def extent(self) -> Shape:
        """Pixels from the first tap of the kernel to the last, on each axis."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def is_pointwise(self) -> bool:
        """Whether each output pixel is made of the input pixel at the same place alone; true without spatial axes."""
        return set(self.kernel) <= {1} and set(self.stride) <= {1} and set(self.pad) <= {0}

    def convolved(self, spatial: Shape) -> Shape:
        """Return the output size on each axis; LayerError if the kernel is too large for an image of this size.

        Caffe divides towards zero, so with a stride an image may be smaller than the kernel; pixels outside are 0.
        """
        steps = [
            int((d + 2 * p - e) / s) for d, p, e, s in zip(spatial, self.pad, self.extent, self.stride, strict=True)
        ]
        if min(spatial, default=1) < 1 or min(steps, default=0) < 0:
            raise LayerError(
                "convolution_param.kernel_size",
                _each(self.kernel),
                f"its extent of {_each(self.extent)} pixels does not fit a bottom of {_each(spatial)} "
                f"with pad {_each(self.pad)}; use a smaller kernel, more pad or a larger bottom",
            )
        return tuple(step + 1 for step in steps)

    def deconvolved(self, spatial: Shape) -> Shape:
        """Return the size of the image that `convolved` makes `spatial` of; LayerError if nothing is left of it.

        With kernel 3, stride 2 and pad 1, `convolved((9,))` is (5,) and `deconvolved((5,))` is (9,).
        """
        whole = [s * (d - 1) + e for d, s, e in zip(spatial, self.stride, self.extent, strict=True)]
        sizes = tuple(size - 2 * pad for size, pad in zip(whole, self.pad, strict=True))
        if min(sizes, default=1) < 1 or min(spatial, default=1) < 1:
            raise LayerError(
                "convolution_param.pad",
                _each(self.pad),
                f"that much is cut off all around a top of {_each(whole)} pixels, and nothing is left; use less pad, "
                "a larger kernel or a larger bottom",
            )
        return sizes


def window_from_param(param: caffe_pb2.ConvolutionParameter, spatial_axes: int) -> Window:
    """Read the window of a blob with this many spatial axes; LayerError if a field is missing, doubled or too small.

    One value stands for all axes. `kernel_h` and `kernel_w` are another way to write `kernel_size` of two axes, and so
    for stride and pad.
    """
    return Window(*(_values(param, name, spatial_axes) for name in ("kernel_size", "stride", "pad", "dilation")))


class WindowWords(NamedTuple):
    """Names in a formula, one for each spatial axis: of a window, of its taps, their bounds, and the pixel read."""

    outputs: list[str]
    taps: list[str]
    bounds: list[str]
    inputs: list[str]


def words_of(window: Window) -> WindowWords:
    """Return the names; with two axes, kernel 3, stride 2 and pad 1: p and q, i and j, i < 3, 2 * p + i - 1, ...."""
    axes = range(len(window.kernel))
    outputs, taps = ([f"{name}{axis + 1}" for axis in axes] if len(axes) != 2 else list(two) for name, two in NAMES)
    inputs = []
    for axis, (stride, pad, dilation) in enumerate(zip(window.stride, window.pad, window.dilation, strict=True)):
        step = outputs[axis] if stride == 1 else f"{stride} * {outputs[axis]}"
        tap = taps[axis] if dilation == 1 else f"{dilation} * {taps[axis]}"
        inputs.append(f"{step} + {tap}" + (f" - {pad}" if pad else ""))
    return WindowWords(outputs, taps, [f"{t} < {k}" for t, k in zip(taps, window.kernel, strict=True)], inputs)


def _values(param: caffe_pb2.ConvolutionParameter, name: str, spatial_axes: int) -> Shape:
    sides = [side for side in SIDES.get(name, ()) if param.HasField(side)]
    if sides:
        return _from_sides(param, name, sides, spatial_axes)
    given = list(getattr(param, name))
    if not given and (name != "kernel_size" or spatial_axes == 0):
        given = [LEAST[name]]
    field = f"convolution_param.{name}"
    if not given:
        raise LayerError(field, "not set", "give one number for all spatial axes, or one for each")
    if len(given) not in (1, spatial_axes):
        raise LayerError(
            field, f"given {len(given)} times", f"give it once, or {spatial_axes} times: once for each spatial axis"
        )
    for value in given:
        _check(field, value, LEAST[name])
    return tuple(given * spatial_axes if len(given) == 1 else given)


def _from_sides(param: caffe_pb2.ConvolutionParameter, name: str, sides: list[str], spatial_axes: int) -> Shape:
    """Read the `_h` and `_w` form, of which `sides` are given."""
    height, width = SIDES[name]
    if spatial_axes != 2:
        raise LayerError(
            f"convolution_param.{sides[0]}",
            getattr(param, sides[0]),
            f"it is for 2 spatial axes and the bottom has {spatial_axes}; use {name}, one number for each axis",
        )
    if getattr(param, name):
        both = f"{list(getattr(param, name))} beside {' and '.join(sides)}"
        raise LayerError(f"convolution_param.{name}", both, f"use either {name} or {height} and {width}")
    for side in (height, width):
        if side not in sides and name != "pad":  # a pad left out is 0
            raise LayerError(f"convolution_param.{side}", "not set", f"{height} and {width} go together")
        _check(f"convolution_param.{side}", getattr(param, side), LEAST[name])
    return (getattr(param, height), getattr(param, width))


def _check(field: str, value: int, least: int) -> None:
    if value < least:
        raise LayerError(field, value, f"use {least} or more")


def _each(sizes: Iterable[int]) -> str:
    """Write one size for each axis, `5 x 3`."""
    return " x ".join(map(str, sizes))
