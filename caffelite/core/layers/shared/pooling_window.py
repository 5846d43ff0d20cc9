"""Kernel, stride and pad of a PoolingParameter, and how many windows they make of an image."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

from caffelite.core.blob import Shape
from caffelite.core.costs import WHOLE, Reach
from caffelite.core.errors import LayerError
from caffelite.core.kernels.pooling import Window
from caffelite.core.layers.shared import window as axes
from caffelite.proto import caffe_pb2

Param = caffe_pb2.PoolingParameter


def pooling_window(param: Param, height: int, width: int) -> Window:
    """Return the window that pooling_param describes for planes of this size; it is the plane if global_pooling.

    Raises LayerError for sizes that contradict each other, are 0 or missing, and for pad >= kernel.
    """
    stride_h, stride_w = _pair(param, "stride", 1)
    pad_h, pad_w = _pair(param, "pad", 0)
    if param.global_pooling:
        _check_global(param, (stride_h, stride_w, pad_h, pad_w))
        return Window(height, width, 1, 1, 0, 0)
    kernel_h, kernel_w = _kernel(param)
    if min(stride_h, stride_w) < 1:
        raise LayerError(f"pooling_param.{_name(param, 'stride')}", 0, "use 1 or more (2 halves height and width)")
    if (pad_h or pad_w) and param.pool not in (Param.MAX, Param.AVE):
        raise LayerError(
            f"pooling_param.{_name(param, 'pad')}", pad_h or pad_w, "padding is for MAX and AVE only; use 0"
        )
    if pad_h >= kernel_h or pad_w >= kernel_w:
        raise LayerError(
            f"pooling_param.{_name(param, 'pad')}",
            max(pad_h, pad_w),
            f"it must be smaller than the kernel, which is {kernel_h} x {kernel_w}",
        )
    return Window(kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w)


def pooled_shape(param: Param, window: Window, height: int, width: int) -> Shape:
    """Return the number of windows down and across a plane; LayerError if there is none.

    Rounded as round_mode, or its equals of forks, says; with padding, a last window that would begin behind the image
    is left out.
    """
    rounded = floor if rounds_down(param) else ceil
    padded = bool(window.pad_h or window.pad_w)
    sizes = []
    for size, kernel, stride, pad in (
        (height, window.kernel_h, window.stride_h, window.pad_h),
        (width, window.kernel_w, window.stride_w, window.pad_w),
    ):
        pooled = rounded((size + 2 * pad - kernel) / stride) + 1
        if padded and (pooled - 1) * stride >= size + pad:
            pooled -= 1
        sizes.append(pooled)
    if min(sizes) < 1:
        raise LayerError(
            f"pooling_param.{_name(param, 'kernel_size', 'kernel_h')}",
            f"{window.kernel_h} x {window.kernel_w}",
            f"it is larger than the bottom, {height} x {width}; use a smaller kernel, more pad or a larger bottom",
        )
    return tuple(sizes)


def rounds_down(param: Param) -> bool:
    """Whether a window that sticks out is left out; LayerError if round_mode contradicts ceil_mode or torch_pooling."""
    for field, down in (("ceil_mode", not param.ceil_mode), ("torch_pooling", param.torch_pooling)):
        if not param.HasField(field):
            continue
        if param.HasField("round_mode") and down != (param.round_mode == Param.FLOOR):
            raise LayerError(
                f"pooling_param.{field}",
                str(getattr(param, field)).lower(),
                f"round_mode is {Param.RoundMode.Name(param.round_mode)}, which says the contrary; leave one out",
            )
        if down:
            return True
    return param.round_mode == Param.FLOOR


def reach_of_windows(param: Param, window: Window) -> Reach:
    """Return which pixels one pixel of the top is made of: all of them if global_pooling."""
    if param.global_pooling:
        return WHOLE
    return Reach(window[:2], (Fraction(window.stride_h), Fraction(window.stride_w)))


def words_of_windows(window: Window) -> axes.WindowWords:
    """Return how a formula names the windows, their pixels and these pixels' places in the plane."""
    kernel, stride, pad = window[:2], window[2:4], window[4:]
    return axes.words_of(axes.Window(kernel, stride, pad, (1, 1)))


def _name(param: Param, field: str, side: str = "") -> str:
    """Return the form of a field that the user wrote: stride, or stride_h for stride_h and stride_w."""
    side = side or f"{field}_h"
    return side if param.HasField(side) else field


def _pair(param: Param, field: str, default: int) -> tuple[int, int]:
    """Return stride or pad down and across, given as one number or as _h and _w both."""
    sides = (f"{field}_h", f"{field}_w")
    given = [side for side in sides if param.HasField(side)]
    if not given:
        value = getattr(param, field) if param.HasField(field) else default
        return value, value
    if len(given) == 1 or param.HasField(field):
        raise LayerError(
            f"pooling_param.{given[0]}",
            getattr(param, given[0]),
            f"{field.capitalize()} is {field} OR {sides[0]} and {sides[1]}, which must both be given",
        )
    return getattr(param, sides[0]), getattr(param, sides[1])


def _kernel(param: Param) -> tuple[int, int]:
    sides = param.HasField("kernel_h") and param.HasField("kernel_w")
    if param.HasField("kernel_size") == sides:
        raise LayerError(
            "pooling_param.kernel_size",
            "given together with kernel_h and kernel_w" if sides else "not given",
            "Filter size is kernel_size OR kernel_h and kernel_w; give one of the two forms",
        )
    kernel_h, kernel_w = (param.kernel_h, param.kernel_w) if sides else (param.kernel_size, param.kernel_size)
    if min(kernel_h, kernel_w) < 1:
        raise LayerError(f"pooling_param.{_name(param, 'kernel_size', 'kernel_h')}", 0, "use 1 or more")
    return kernel_h, kernel_w


def _check_global(param: Param, steps: tuple[int, int, int, int]) -> None:
    for field in ("kernel_size", "kernel_h", "kernel_w"):
        if param.HasField(field):
            raise LayerError(
                f"pooling_param.{field}",
                getattr(param, field),
                "With global_pooling the kernel is the plane; remove it",
            )
    if steps != (1, 1, 0, 0):
        raise LayerError("pooling_param.global_pooling", "true", "it needs pad 0 and stride 1; remove pad and stride")
