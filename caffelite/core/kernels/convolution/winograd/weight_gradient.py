"""Weight gradient of a 3x3 convolution of stride 1: the adjoint of Winograd's forward pass, step by step.

For each of the 36 transformed pixels (outputs x tiles) is multiplied by (tiles x channels), and the sums are brought
back to 3 x 3 weights. Few tiles: all are transformed first, then workers take blocks of the weights. Many tiles: each
worker takes rows of tiles, whose transformed pixels stay near it, and adds to sums of its own.
"""

from typing import Any, NamedTuple

import numpy as np

from caffelite.core.aligned import aligned_zeros
from caffelite.core.kernels.convolution.direct.slab import odd_lines
from caffelite.core.kernels.convolution.geometry import Geometry
from caffelite.core.kernels.convolution.winograd.steps import Winograd, fill_rows, pixel_places, transform_pixels
from caffelite.core.kernels.convolution.winograd.tiles import output_gradient_transform, weight_gradient_transform
from caffelite.core.kernels.convolution.winograd.winograd import plan_winograd
from caffelite.core.kernels.gemm.products import product_rows, run_product
from caffelite.core.kernels.ir.operands import Matrix, RowMajor
from caffelite.core.kernels.ir.pointers import own_code, pointer, shift
from caffelite.core.kernels.ir.registers import Registers
from caffelite.core.kernels.ir.transposes import from_lanes
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.jit.threads import thread_count
from caffelite.core.kernels.scratch import scratch
from caffelite.core.kernels.sharing import signed_share_of

CACHED_FLOATS = 3_000_000  # of all transformed pixels: more would not stay in the L3 cache until they are multiplied
BLOCK_FLOATS = 200_000  # of a worker's transformed pixels where it takes rows of tiles
SUM_FLOATS = 150_000  # of a worker's sums where it takes blocks of the weights
WORKERS_FLOATS = 32_000_000  # of the sums of all workers together
DEPTH = 256  # tiles in one pass over the sums


class WinogradGradient(NamedTuple):
    """Sizes of a weight gradient, beside those of the forward pass."""

    lanes: int  # outputs of one group, in whole vectors
    diff_step: int  # floats between planes of transformed gradients and of sums: odd numbers of cache lines
    sum_step: int
    block_outputs: int  # outputs and channels of the sums that are worked on at once
    block_channels: int
    tile_rows: int  # of a tile of products: outputs
    vectors: int


@kernel
def transform_diffs(
    top_diff: np.ndarray,
    plan: Winograd,
    more: WinogradGradient,
    g: int,
    row0: int,
    rows: int,
    places: np.ndarray,
    scratch: Any,
    diffs: Any,
) -> None:
    """diffs[e * diff_step + tile * lanes + output] of `rows` rows of tiles of one group."""
    own_code()
    pitch = plan.tiles_w * 64
    height, width = plan.out_height, plan.out_width
    for m in range(0, plan.outputs, 16):
        for row in range(rows):
            n, ty = (row0 + row) // plan.tiles_h, (row0 + row) % plan.tiles_h
            image = pointer(top_diff, ((n * plan.group + g) * plan.outputs + m) * height * width)
            fill_rows(image, min(16, plan.outputs - m), ty * 4, 4, height, width, pitch, pointer(places, 0), scratch)
            for tx in range(plan.tiles_w):
                target = shift(diffs, (row * plan.tiles_w + tx) * more.lanes + m)
                output_gradient_transform(shift(scratch, tx * 64), pitch, target, more.diff_step)


@kernel
def add_products(
    diffs: Any, pixels: Any, sums: Any, outputs: int, channels: int, tiles: int, more: int, plan: Any, sizes: Any
) -> None:
    """sums[e, output, channel] = or += diffs[e, tile, output] x pixels[e, tile, channel] over `tiles` tiles."""
    own_code()
    rows = sizes.tile_rows
    for e in range(36):
        for t in range(0, tiles, DEPTH):
            for c in range(0, channels, sizes.vectors * 16):
                b = RowMajor(shift(pixels, e * plan.pixel_step + t * plan.lanes + c), plan.lanes)
                vectors = min(sizes.vectors, (channels - c + 15) // 16)
                for m in range(0, outputs, rows):
                    a = Matrix(shift(diffs, e * sizes.diff_step + t * sizes.lanes + m), 1, sizes.lanes)
                    place = shift(sums, e * sizes.sum_step + m * sizes.block_channels + c)
                    target = RowMajor(place, sizes.block_channels)
                    depth, valid = min(DEPTH, tiles - t), min(rows, outputs - m)
                    run_product(plan.registers, vectors, a, b, depth, target, valid, more + t)


@kernel
def add_weights(
    sums: Any,
    plan: Winograd,
    sizes: WinogradGradient,
    g: int,
    m0: int,
    m1: int,
    c0: int,
    c1: int,
    taps: np.ndarray,
    scratch: Any,
    weight_diff: np.ndarray,
) -> None:
    """Add to outputs m0 to m1 and channels c0 to c1 of one group of weight_diff; sums begins with (m0, c0)."""
    own_code()
    for m in range(m0, m1):
        for c in range(c0, c1, 16):
            source = shift(sums, (m - m0) * sizes.block_channels + c - c0)
            weight_gradient_transform(source, sizes.sum_step, scratch)
            target = pointer(weight_diff, ((g * plan.outputs + m) * plan.channels + c) * 9)
            from_lanes(1, scratch, pointer(taps, 0), 9, target, 9, min(16, c1 - c))


@parallel_kernel
def transform_all(
    top_diff: np.ndarray,
    bottom: np.ndarray,
    plan: Winograd,
    sizes: WinogradGradient,
    pixel_places: np.ndarray,
    diff_places: np.ndarray,
    scratches: np.ndarray,
    pixels: np.ndarray,
    diffs: np.ndarray,
    worker: int,
    workers: int,
) -> None:
    """Transform all tiles; pixels and diffs have a row a group, scratches two rows a share of the work."""
    rows, shares, length = plan.num * plan.tiles_h, scratches.shape[0] // 2, scratches.shape[1]
    for share in range(worker, shares, workers):
        slab, scratch = pointer(scratches, 2 * share * length), pointer(scratches, (2 * share + 1) * length)
        first, last = signed_share_of(plan.group * rows, share, shares)
        for line in range(first, last):
            g, row = line // rows, line % rows
            place = row * plan.tiles_w
            pixel, diff = g * pixels.shape[1] + place * plan.lanes, g * diffs.shape[1] + place * sizes.lanes
            transform_pixels(bottom, plan, g, row, 1, pixel_places, slab, pointer(pixels, pixel))
            transform_diffs(top_diff, plan, sizes, g, row, 1, diff_places, scratch, pointer(diffs, diff))


@parallel_kernel
def gradient_by_blocks(
    weight_diff: np.ndarray,
    plan: Winograd,
    sizes: WinogradGradient,
    taps: np.ndarray,
    scratches: np.ndarray,
    pixels: np.ndarray,
    diffs: np.ndarray,
    sums: np.ndarray,
    worker: int,
    workers: int,
) -> None:
    """Add to weight_diff from all transformed tiles; sums has a row a share of the work, scratches two."""
    tiles, shares = plan.num * plan.tiles_h * plan.tiles_w, sums.shape[0]
    across = (plan.channels + sizes.block_channels - 1) // sizes.block_channels
    blocks = across * ((plan.outputs + sizes.block_outputs - 1) // sizes.block_outputs)
    for share in range(worker, shares, workers):
        # behind the gradients' slab, whose zeros must remain
        scratch = pointer(scratches, (2 * share + 1) * scratches.shape[1] + 256 * plan.tiles_w)
        own = pointer(sums, share * sums.shape[1])
        first, last = signed_share_of(plan.group * blocks, share, shares)
        for block in range(first, last):
            g, m = block // blocks, block % blocks // across * sizes.block_outputs
            c = block % across * sizes.block_channels
            m1, c1 = min(plan.outputs, m + sizes.block_outputs), min(plan.channels, c + sizes.block_channels)
            a, b = pointer(diffs, g * diffs.shape[1] + m), pointer(pixels, g * pixels.shape[1] + c)
            add_products(a, b, own, m1 - m, c1 - c, tiles, 0, plan, sizes)
            add_weights(own, plan, sizes, g, m, m1, c, c1, taps, scratch, weight_diff)


@parallel_kernel
def gradient_by_rows(
    top_diff: np.ndarray,
    bottom: np.ndarray,
    plan: Winograd,
    sizes: WinogradGradient,
    pixel_places: np.ndarray,
    diff_places: np.ndarray,
    scratches: np.ndarray,
    pixels: np.ndarray,
    diffs: np.ndarray,
    sums: np.ndarray,
    worker: int,
    workers: int,
) -> None:
    """Fill sums, of all groups; pixels, diffs and sums have a row a share of the work, scratches two."""
    rows, shares, length = plan.num * plan.tiles_h, sums.shape[0], scratches.shape[1]
    blocks = (rows + plan.block_rows - 1) // plan.block_rows
    for share in range(worker, shares, workers):
        slab, scratch = pointer(scratches, 2 * share * length), pointer(scratches, (2 * share + 1) * length)
        pixel, diff = pointer(pixels, share * pixels.shape[1]), pointer(diffs, share * diffs.shape[1])
        first, last = signed_share_of(plan.group * blocks, share, shares)
        for block in range(first, last):
            g, row0 = block // blocks, block % blocks * plan.block_rows
            count = min(plan.block_rows, rows - row0)
            transform_pixels(bottom, plan, g, row0, count, pixel_places, slab, pixel)
            transform_diffs(top_diff, plan, sizes, g, row0, count, diff_places, scratch, diff)
            own = pointer(sums, share * sums.shape[1] + g * 36 * sizes.sum_step)
            more = int(block > first and row0 > 0)
            add_products(diff, pixel, own, plan.outputs, plan.channels, count * plan.tiles_w, more, plan, sizes)


@parallel_kernel
def add_all_weights(
    sums: np.ndarray,
    plan: Winograd,
    sizes: WinogradGradient,
    weight_diff: np.ndarray,
    taps: np.ndarray,
    scratches: np.ndarray,
    worker: int,
    workers: int,
) -> None:
    """Add the sums of gradient_by_rows to weight_diff; scratches has two rows a share of the work."""
    shares, lines, channels = sums.shape[0], plan.group * plan.outputs, plan.channels
    blocks = (plan.num * plan.tiles_h + plan.block_rows - 1) // plan.block_rows
    for share in range(worker, shares, workers):
        scratch = pointer(scratches, (2 * share + 1) * scratches.shape[1] + 256 * plan.tiles_w)
        line0, line1 = signed_share_of(lines, share, shares)
        for line in range(line0, line1):
            g, m = line // plan.outputs, line % plan.outputs
            for other in range(shares):
                first, last = signed_share_of(plan.group * blocks, other, shares)
                if first < (g + 1) * blocks and last > g * blocks:  # those that had rows of this group
                    place = other * sums.shape[1] + g * 36 * sizes.sum_step + m * sizes.block_channels
                    source = pointer(sums, place)
                    add_weights(source, plan, sizes, g, m, m + 1, 0, channels, taps, scratch, weight_diff)


class WinogradWeightGradient:
    """Weight gradient of a 3x3 convolution of stride 1 without dilation."""

    def __init__(self, geometry: Geometry, registers: Registers) -> None:
        workers = thread_count()
        self.by_rows, self.plan, self.sizes = plan_gradient(geometry, registers, workers)
        plan, sizes = self.plan, self.sizes
        self.taps = np.arange(9, dtype=np.int32) * 16
        self.places = (
            pixel_places(6, plan.width, plan.tiles_w * 4 + 2, plan.pad_w),
            pixel_places(4, plan.out_width, plan.tiles_w * 4, 0),
        )
        self.scratches = aligned_zeros((2 * workers, 6 * (plan.tiles_w * 4 + 2) * 16 + 144))
        shares = workers if self.by_rows else plan.group
        self.scratch_shapes = (
            ("pixels", shares, 36 * plan.pixel_step),
            ("weights", shares, 36 * sizes.diff_step),
            ("products", workers, 36 * sizes.sum_step * (plan.group if self.by_rows else 1)),
        )

    def __call__(self, top_diff: np.ndarray, bottom: np.ndarray, weight_diff: np.ndarray) -> None:
        """Add to weight_diff (O, C / group, 3, 3); top_diff is (N, O, OH, OW), bottom (N, C, H, W)."""
        if top_diff.size == 0:
            return
        plan, sizes, scratches = self.plan, self.sizes, self.scratches
        pixels, diffs, sums = (scratch(*shape) for shape in self.scratch_shapes)
        tiles = (*self.places, scratches, pixels, diffs)
        if self.by_rows:
            gradient_by_rows(top_diff, bottom, plan, sizes, *tiles, sums)
            add_all_weights(sums, plan, sizes, weight_diff, self.taps, scratches)
        else:
            transform_all(top_diff, bottom, plan, sizes, *tiles)
            gradient_by_blocks(weight_diff, plan, sizes, self.taps, scratches, pixels, diffs, sums)


def plan_gradient(
    geometry: Geometry, registers: Registers, workers: int, by_rows: bool | None = None
) -> tuple[bool, Winograd, WinogradGradient]:
    """Choose whether rows of tiles are shared out, or blocks of weights, unless it is given; and sizes of blocks."""
    _, plan = plan_winograd(geometry, registers, workers)
    lanes = -(-plan.outputs // 16) * 16
    rows, floats = max(1, plan.num) * plan.tiles_h, 36 * (plan.lanes + lanes) * plan.tiles_w
    if by_rows is None:
        sums = 36 * geometry.num_output * plan.lanes
        by_rows = plan.group * rows * floats > max(CACHED_FLOATS, 4 * sums) and workers * sums <= WORKERS_FLOATS
    vectors = plan.lanes // 16
    width = min(range(min(vectors, 2), 5), key=lambda v: (-(-vectors // v) * v, -v))
    rows_of_tile = product_rows(registers, width)
    block_outputs, block_channels, block_rows = plan.outputs, -(-vectors // width) * width * 16, rows
    if by_rows:
        tiles = 64 if 36 * plan.outputs * plan.lanes > BLOCK_FLOATS else 0
        block_rows = max(1, BLOCK_FLOATS // floats, tiles // plan.tiles_w)
        block_rows = -(-rows // (-(-rows // (block_rows * workers)) * workers))
    else:
        block_channels = min(block_channels, max(1, 128 // (width * 16)) * width * 16)
        block_outputs = outputs_in_block(plan, block_channels, rows_of_tile, workers)
    plan = plan._replace(block_rows=block_rows, pixel_step=odd_lines(block_rows * plan.tiles_w * plan.lanes))
    diff_step = odd_lines(block_rows * plan.tiles_w * lanes)
    sizes = WinogradGradient(
        lanes, diff_step, odd_lines(block_outputs * block_channels), block_outputs, block_channels, rows_of_tile, width
    )
    return by_rows, plan, sizes


def outputs_in_block(plan: Winograd, block_channels: int, rows: int, workers: int) -> int:
    """Return how many outputs, in whole tiles, a block has; evenly many blocks a worker where that is possible."""
    panels = -(-plan.outputs // rows)
    across = plan.group * -(-plan.channels // block_channels)
    blocks = -(-panels // max(1, SUM_FLOATS // (36 * block_channels * rows)))
    while across * blocks % workers and across * blocks < 8 * workers and blocks < panels:
        blocks += 1
    return -(-panels // blocks) * rows
