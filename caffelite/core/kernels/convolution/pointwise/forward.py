"""1x1 convolution of stride 1: forward pass and bottom gradient, which is one with the weights transposed.

All samples' pixels stand in one line, so that small images waste no lanes. Of some of them all outputs are computed
while they are in the L1 cache, and meanwhile the next ones' lines are fetched by hand: they lie a plane apart, where no
hardware looks ahead. Where images are small the pixels are first copied to be near each other. Each top pixel is
stored once a block of channels, straight from registers.
"""

from typing import Any, NamedTuple

import numpy as np

from caffelite.core.aligned import aligned_zeros
from caffelite.core.kernels.convolution.geometry import Geometry
from caffelite.core.kernels.convolution.pointwise.tiles import PLANE_TILES, Crossing, Prefetch, plane_tile
from caffelite.core.kernels.ir.operands import RowMajor, Start
from caffelite.core.kernels.ir.pointers import copy_rows, own_code, pointer, shift
from caffelite.core.kernels.ir.registers import Registers
from caffelite.core.kernels.ir.transposes import to_lanes
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.jit.threads import thread_count
from caffelite.core.kernels.scratch import scratch
from caffelite.core.kernels.sharing import form, signed_share_of

BLOCK = 256  # channels in one pass, about
LEAST_PIXELS = 48  # of an image, so that a tile meets at most two


class Product(NamedTuple):
    """Sizes of a product of weights (outputs x channels) and pixels, for each group."""

    registers: Registers
    rows: int  # of a tile: outputs
    vectors: int
    width: int  # of a tile: pixels
    num: int
    group: int
    channels: int  # of one group, as are outputs
    outputs: int
    pixels: int  # of one image
    block: int  # channels in one pass
    together: int  # tiles of pixels that share one reading of the weights
    copied: int  # 1: pixels are copied before they are used
    by_panel: int  # 1: workers share outputs out, 0: pixels
    slow: int  # logarithm of how many panels a line of the next tile is fetched over


class Range(NamedTuple):
    """Pixels first to last of all samples' line, or panels first to last of outputs."""

    first: int
    last: int


def is_pointwise(geometry: Geometry) -> bool:
    """Tell whether these kernels are for this geometry."""
    return (
        geometry.taps == geometry.stride_h == geometry.stride_w == 1
        and geometry.pad_h == geometry.pad_w == 0
        and geometry.height * geometry.width >= LEAST_PIXELS
    )


@kernel
def pack_pair(
    weight: np.ndarray, plan: Product, transposed: int, pair: int, places: np.ndarray, packed: np.ndarray
) -> None:
    """Pack pair number `pair`, counted through the groups, of panels of outputs, all blocks of channels."""
    own_code()
    pairs = (plan.outputs + 2 * plan.rows - 1) // (2 * plan.rows)
    g, pair = pair // pairs, pair % pairs
    m = pair * 2 * plan.rows
    outputs = min(2 * plan.rows, plan.outputs - m)
    for c in range(0, plan.channels, plan.block):
        count = min(plan.block, plan.channels - c)
        target = pointer(packed, ((g * plan.channels + c) * pairs + pair * count) * 16)
        if transposed:
            source = pointer(weight, (g * plan.channels + c) * plan.outputs + m)
            copy_rows(1, source, plan.outputs, target, 16, 0, outputs, 16, count)
        else:
            source = pointer(weight, (g * plan.outputs + m) * plan.channels + c)
            to_lanes(source, plan.channels, outputs, count, target, pointer(places, 0))


@parallel_kernel
def pack_pointwise(
    weight: np.ndarray,
    plan: Product,
    transposed: int,
    places: np.ndarray,
    packed: np.ndarray,
    worker: int,
    workers: int,
) -> None:
    """packed[group, block of channels, pair of panels, channel, 16] from weight.

    weight is (group * outputs, channels), or with `transposed` (group * channels, outputs).
    """
    pairs = plan.group * ((plan.outputs + 2 * plan.rows - 1) // (2 * plan.rows))
    first, last = signed_share_of(pairs, worker, workers)
    for pair in range(first, last):
        pack_pair(weight, plan, transposed, pair, places, packed)


@kernel
def copy_pixels(bottom: np.ndarray, plan: Product, g: int, c: int, pixels: Range, scratch: Any) -> None:
    """scratch[channel, i] = pixel pixels.first + i, up to pixels.last; its rows are those of `together` tiles.

    Channels are those of the block from c on of group g.
    """
    own_code()
    channels, done, count = min(plan.block, plan.channels - c), 0, pixels.last - pixels.first
    while done < count:
        n, q = (pixels.first + done) // plan.pixels, (pixels.first + done) % plan.pixels
        run = min(plan.pixels - q, count - done)
        source = pointer(bottom, ((n * plan.group + g) * plan.channels + c) * plan.pixels + q)
        copy_rows(1, source, plan.pixels, shift(scratch, done), plan.together * plan.width, 0, run, run, channels)
        done += run


@kernel
def product_tiles(
    bottom: np.ndarray,
    packed: np.ndarray,
    bias: np.ndarray,
    top: np.ndarray,
    plan: Product,
    g: int,
    c: int,
    pixels: Range,
    panels: Range,
    scratch: Any,
) -> None:
    """Compute pixels, `together` tiles at most, of some panels, from the block of channels from c on of group g."""
    own_code()
    pairs, channels = (plan.outputs + 2 * plan.rows - 1) // (2 * plan.rows), min(plan.block, plan.channels - c)
    plane, every = plan.pixels, (1 << plan.slow) - 1
    if plan.copied:
        copy_pixels(bottom, plan, g, c, pixels, scratch)
    for p in range(panels.first, panels.last):
        a = pointer(packed, ((g * plan.channels + c) * pairs + p // 2 * channels) * 16 + p % 2 * plan.rows)
        start = Start(pointer(bias, g * bias.shape[1] + p * plan.rows), c)
        for first in range(pixels.first, pixels.last, plan.width):
            n, q = first // plane, first % plane
            source = ((n * plan.group + g) * plan.channels + c) * plane + q
            b, stride = pointer(bottom, source), plane
            # one line of the tile after this pass, every few channels: a burst would fill the line buffers
            done = p - panels.first
            line = ((done & every) * channels >> plan.slow) * plane + (done >> plan.slow) * 16
            fetch = shift(b, plan.together * plan.width + line if done >> plan.slow < plan.vectors else 0)
            if plan.copied or plane - q < plan.width:
                if not plan.copied:
                    copy_pixels(bottom, plan, g, c, Range(first, min(first + plan.width, pixels.last)), scratch)
                b, stride = shift(scratch, (first - pixels.first) * plan.copied), plan.together * plan.width
            target = pointer(top, ((n * plan.group + g) * plan.outputs + p * plan.rows) * plane + q)
            run_plane(
                plan.registers,
                a,
                RowMajor(b, stride),
                channels,
                RowMajor(target, plane),
                min(plan.rows, plan.outputs - p * plan.rows),
                start,
                Crossing(plane - q, (plan.group * plan.outputs - 1) * plane, pixels.last - first),
                Prefetch(fetch, plane, plan.slow),
            )


@kernel
def run_plane(
    registers: Registers,
    a: Any,
    b: RowMajor,
    k: int,
    c: RowMajor,
    valid: int,
    start: Start,
    crossing: Crossing,
    prefetch: Prefetch,
) -> None:
    """Do what plane_tile does, as a function of its own."""
    own_code()
    plane_tile(registers, a, b, k, c, valid, start, crossing, prefetch)


@kernel
def product_share(
    bottom: np.ndarray,
    packed: np.ndarray,
    bias: np.ndarray,
    top: np.ndarray,
    plan: Product,
    pixels: Range,
    panels: Range,
    scratch: Any,
) -> None:
    """Compute some pixels of some panels, all groups."""
    own_code()
    step = plan.together * plan.width
    for g in range(plan.group):
        for first in range(pixels.first, pixels.last, step):
            block = Range(first, min(pixels.last, first + step))
            for c in range(0, plan.channels, plan.block):
                product_tiles(bottom, packed, bias, top, plan, g, c, block, panels, scratch)


@parallel_kernel
def product(
    bottom: np.ndarray,
    packed: np.ndarray,
    bias: np.ndarray,
    top: np.ndarray,
    plan: Product,
    scratches: np.ndarray,
    worker: int,
    workers: int,
) -> None:
    """Fill top (num, group * outputs, pixels) from bottom (num, group * channels, pixels).

    scratches has a row a share of the work.
    """
    shares, panels, length = scratches.shape[0], (plan.outputs + plan.rows - 1) // plan.rows, plan.num * plan.pixels
    lines = (length + 15) // 16
    for share in range(worker, shares, workers):
        first, last, p0, p1 = 0, length, 0, panels
        if plan.by_panel:
            p0, p1 = signed_share_of(panels, share, shares)
        else:
            line0, line1 = signed_share_of(lines, share, shares)
            first, last = line0 * 16, min(length, line1 * 16)
        scratch = pointer(scratches, share * scratches.shape[1])
        product_share(bottom, packed, bias, top, plan, Range(first, last), Range(p0, p1), scratch)


class PointwiseForward:
    """Forward pass of a 1x1 convolution of stride 1."""

    def __init__(self, geometry: Geometry, registers: Registers) -> None:
        workers = thread_count()
        self.plan = plan_product(geometry, registers, workers)
        self.workers = workers
        self.pack, self.product = (form(pair, 2 * geometry.multiply_adds) for pair in (pack_pointwise, product))
        plan = self.plan
        pairs = -(-plan.outputs // (2 * plan.rows))
        self.places = np.arange(plan.block + 16, dtype=np.int32) * 16
        self.packed_floats = plan.channels * pairs * 16
        self.bias = aligned_zeros((plan.group, pairs * 2 * plan.rows))

    def __call__(self, weight: np.ndarray, bias: np.ndarray | None, bottom: np.ndarray, top: np.ndarray) -> None:
        """Overwrite top (N, O, H, W); weight is (O, C / group, 1, 1), bias (O,) or None, bottom (N, C, H, W)."""
        plan = self.plan
        self.bias[:, : plan.outputs] = 0 if bias is None else bias.reshape(plan.group, plan.outputs)
        self.run(weight, 0, bottom, top)

    def run(self, weight: np.ndarray, transposed: int, bottom: np.ndarray, top: np.ndarray) -> None:
        """Overwrite top from the weights, transposed or not, and the bias that is set."""
        if top.size:
            plan = self.plan
            packed = scratch("weights", plan.group, self.packed_floats)
            self.pack(weight, plan, transposed, self.places, packed)
            scratches = scratch("pixels", self.workers, plan.together * plan.block * plan.width)
            self.product(bottom, packed, self.bias, top, plan, scratches)


class PointwiseBottomGradient:
    """Bottom gradient of a 1x1 convolution of stride 1."""

    def __init__(self, geometry: Geometry, registers: Registers) -> None:
        self.forward = PointwiseForward(
            geometry._replace(channels=geometry.num_output, num_output=geometry.channels), registers
        )

    def __call__(self, weight: np.ndarray, top_diff: np.ndarray, bottom_diff: np.ndarray) -> None:
        """Overwrite bottom_diff (N, C, H, W); weight is (O, C / group, 1, 1), top_diff (N, O, H, W)."""
        self.forward.run(weight, 1, top_diff, bottom_diff)


def plan_product(geometry: Geometry, registers: Registers, workers: int) -> Product:
    """Choose how the work is shared out, and the sizes of blocks."""
    rows, vectors = PLANE_TILES[type(registers)]
    width = 16 * vectors
    channels, outputs = geometry.group_channels, geometry.group_outputs
    pixels, panels = geometry.height * geometry.width, -(-outputs // rows)
    small = pixels <= 256
    blocks = max(1, round(channels / BLOCK))
    return Product(
        registers,
        rows,
        vectors,
        width,
        geometry.num,
        geometry.group,
        channels,
        outputs,
        pixels,
        -(-channels // blocks),
        4 if small else 8 if channels <= 64 else 1,
        int(small and (panels > 3 or pixels < 150)),  # for few outputs copying costs more than it gives
        int(panels >= 4 * workers and geometry.num * pixels < 10 * workers * width),
        max(0, min(3, (panels // 4).bit_length() - 1)),
    )
