"""Gradients of 1x1 convolution of stride 2: pixels that count are brought together; the rest is as with stride 1."""

import numpy as np

from caffelite.core.kernels.convolution.direct.slab import clear
from caffelite.core.kernels.convolution.geometry import Geometry
from caffelite.core.kernels.convolution.pointwise.forward import LEAST_PIXELS, PointwiseBottomGradient
from caffelite.core.kernels.convolution.pointwise.weight_gradient import PointwiseWeightGradient
from caffelite.core.kernels.ir.pointers import add_strided_rows, copy_rows, own_code, pointer
from caffelite.core.kernels.ir.registers import Registers
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.scratch import scratch
from caffelite.core.kernels.sharing import signed_share_of


def is_pointwise_stride2(geometry: Geometry) -> bool:
    """Tell whether these kernels are for this geometry."""
    return (
        geometry.taps == 1
        and geometry.stride_h == geometry.stride_w == 2
        and geometry.pad_h == geometry.pad_w == 0
        and geometry.out_height * geometry.out_width >= LEAST_PIXELS
    )


def of_stride1(geometry: Geometry) -> Geometry:
    """Return the convolution that is left when the pixels that count are next to each other."""
    return geometry._replace(height=geometry.out_height, width=geometry.out_width, stride_h=1, stride_w=1)


@kernel
def take_plane(plane: int, images: np.ndarray, height: int, width: int, taken: np.ndarray) -> None:
    """Copy every second pixel of every second row of one plane."""
    own_code()
    rows, columns = (height + 1) // 2, (width + 1) // 2
    source, target = pointer(images, plane * height * width), pointer(taken, plane * rows * columns)
    copy_rows(2, source, 2 * width, target, columns, 0, columns, columns, rows)


@kernel
def spread_plane(plane: int, taken: np.ndarray, height: int, width: int, images: np.ndarray) -> None:
    """Do the reverse; the other pixels become 0. The 16 floats after `taken` are read too."""
    own_code()
    rows, columns = (height + 1) // 2, (width + 1) // 2
    source, target = pointer(taken, plane * rows * columns), pointer(images, plane * height * width)
    clear(target, height * width)
    add_strided_rows(2, source, columns, target, 2 * width, 0, columns, rows)


@parallel_kernel
def take(
    images: np.ndarray, height: int, width: int, taken: np.ndarray, planes: int, worker: int, workers: int
) -> None:
    """Copy the pixels that count of `planes` planes."""
    first, last = signed_share_of(planes, worker, workers)
    for plane in range(first, last):
        take_plane(plane, images, height, width, taken)


@parallel_kernel
def spread(
    taken: np.ndarray, height: int, width: int, images: np.ndarray, planes: int, worker: int, workers: int
) -> None:
    """Overwrite `planes` planes of images."""
    first, last = signed_share_of(planes, worker, workers)
    for plane in range(first, last):
        spread_plane(plane, taken, height, width, images)


class Pixels:
    """The pixels of a bottom that count, as a blob of half the height and width that lasts for one call."""

    def __init__(self, geometry: Geometry) -> None:
        self.planes, self.height, self.width = geometry.num * geometry.channels, geometry.height, geometry.width
        self.shape = (geometry.num, geometry.channels, geometry.out_height, geometry.out_width)

    def blob(self) -> np.ndarray:
        """Return the blob, of any contents; behind it are 16 floats more."""
        count = int(np.prod(self.shape))
        return scratch("taken", 1, count + 16)[0, :count].reshape(self.shape)

    def take(self, bottom: np.ndarray) -> np.ndarray:
        """Return the blob, filled from bottom."""
        blob = self.blob()
        take(bottom, self.height, self.width, blob, self.planes)
        return blob

    def spread(self, blob: np.ndarray, bottom: np.ndarray) -> None:
        """Overwrite bottom with the blob's pixels and zeros between them."""
        spread(blob, self.height, self.width, bottom, self.planes)


class PointwiseStride2WeightGradient:
    """Weight gradient of a 1x1 convolution of stride 2."""

    def __init__(self, geometry: Geometry, registers: Registers) -> None:
        self.pixels, self.gradient = Pixels(geometry), PointwiseWeightGradient(of_stride1(geometry), registers)

    def __call__(self, top_diff: np.ndarray, bottom: np.ndarray, weight_diff: np.ndarray) -> None:
        """Add to weight_diff (O, C / group, 1, 1); top_diff is (N, O, OH, OW), bottom (N, C, H, W)."""
        if top_diff.size:
            self.gradient(top_diff, self.pixels.take(bottom), weight_diff)


class PointwiseStride2BottomGradient:
    """Bottom gradient of a 1x1 convolution of stride 2."""

    def __init__(self, geometry: Geometry, registers: Registers) -> None:
        self.pixels, self.gradient = Pixels(geometry), PointwiseBottomGradient(of_stride1(geometry), registers)

    def __call__(self, weight: np.ndarray, top_diff: np.ndarray, bottom_diff: np.ndarray) -> None:
        """Overwrite bottom_diff (N, C, H, W); weight is (O, C / group, 1, 1), top_diff (N, O, OH, OW)."""
        if top_diff.size:
            blob = self.pixels.blob()
            self.gradient(weight, top_diff, blob)
            self.pixels.spread(blob, bottom_diff)
