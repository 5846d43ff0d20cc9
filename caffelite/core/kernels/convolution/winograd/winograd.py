"""3x3 convolution of stride 1 by Winograd's F(4x4, 3x3): forward pass and bottom gradient.

A tile of 4 x 4 outputs takes 36 multiplications a channel instead of 144. Steps: bring tiles of 6 x 6 pixels and the
weights into another basis; for each of the 36 transformed pixels multiply (tiles x channels) by (channels x outputs);
bring the products back. Results differ from the direct sum by some 1e-5 of the largest value.

Many tiles: each worker takes rows of tiles through all steps, so that what it writes stays in its L2 cache; the weights
are transformed beforehand. Few tiles, where the transformed weights would be more to move than the images: all tiles
are transformed first, then each worker takes outputs, and transforms their weights itself.
"""

from typing import Any, NamedTuple

import numpy as np

from caffelite.core.aligned import aligned_zeros
from caffelite.core.kernels.convolution.direct.bottom_gradient import flipped
from caffelite.core.kernels.convolution.direct.slab import odd_lines
from caffelite.core.kernels.convolution.geometry import Geometry
from caffelite.core.kernels.convolution.winograd.steps import (
    Winograd,
    multiply,
    pixel_places,
    transform_pixels,
    transform_weights,
    write_outputs,
)
from caffelite.core.kernels.gemm.products import product_rows
from caffelite.core.kernels.ir.pointers import own_code, pointer, shift
from caffelite.core.kernels.ir.registers import Registers
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.jit.threads import thread_count
from caffelite.core.kernels.scratch import scratch
from caffelite.core.kernels.sharing import signed_share_of

DEPTH = 128  # channels in one pass over the products: their weights stay in the L1 cache over all tiles
LEAST_CHANNELS = 12  # of 16 in a vector
LEAST_WORK = 500_000  # multiply-adds of a direct sum
BLOCK_FLOATS = 100_000  # of a worker's transformed pixels where it takes rows of tiles
BLOCK_TILES = 32  # that share one reading of the transformed weights, at least
PRODUCT_FLOATS = 300_000  # of a worker's products where it takes outputs


def suits_winograd(geometry: Geometry) -> bool:
    """Tell whether these kernels are for this geometry, and faster than a direct sum."""
    return (
        geometry.kernel_h == geometry.kernel_w == 3
        and geometry.stride_h == geometry.stride_w == 1
        and geometry.dilation_h == geometry.dilation_w == 1
        and max(geometry.pad_h, geometry.pad_w) <= 2
        and min(geometry.group_channels, geometry.group_outputs) >= LEAST_CHANNELS
        and geometry.multiply_adds >= LEAST_WORK
    )


@parallel_kernel
def transform_all_weights(
    weight: np.ndarray,
    plan: Winograd,
    flipped: int,
    taps: np.ndarray,
    scratches: np.ndarray,
    packed: np.ndarray,
    worker: int,
    workers: int,
) -> None:
    """packed[group, block of outputs, block of channels] of transform_weights; scratches has a row a share."""
    output_blocks = (plan.outputs + plan.block_outputs - 1) // plan.block_outputs
    channel_blocks = (plan.channels + plan.block_channels - 1) // plan.block_channels
    shares = scratches.shape[0]
    for share in range(worker, shares, workers):
        scratch = pointer(scratches, share * scratches.shape[1])
        first, last = signed_share_of(plan.group * output_blocks * channel_blocks, share, shares)
        for block in range(first, last):
            c0, rest = block % channel_blocks * plan.block_channels, block // channel_blocks
            g, m = rest // output_blocks, rest % output_blocks * plan.block_outputs
            target = pointer(packed, block * 36 * plan.weight_step)
            transform_weights(weight, plan, flipped, g, m, c0, taps, scratch, target)


class Buffers(NamedTuple):
    """Pointers to what is written and read on the way from the bottom to the top."""

    lines: Any  # taps that are about to be transformed, and outputs that are about to be written
    pixels: Any  # transformed, as are weights
    weights: Any
    products: Any


@kernel
def forward_rows(
    g: int,
    row0: int,
    bottom: np.ndarray,
    bias: np.ndarray,
    top: np.ndarray,
    plan: Winograd,
    places_in: np.ndarray,
    places_out: np.ndarray,
    slab: Any,
    buffers: Buffers,
) -> None:
    """Fill one block of rows of tiles of one group of top; the weights are those of transform_all_weights."""
    own_code()
    rows, products = min(plan.block_rows, plan.num * plan.tiles_h - row0), buffers.products
    output_blocks = (plan.outputs + plan.block_outputs - 1) // plan.block_outputs
    channel_blocks = (plan.channels + plan.block_channels - 1) // plan.block_channels
    transform_pixels(bottom, plan, g, row0, rows, places_in, slab, buffers.pixels)
    for m in range(0, plan.outputs, plan.block_outputs):
        for c in range(0, plan.channels, plan.block_channels):
            block = (g * output_blocks + m // plan.block_outputs) * channel_blocks + c // plan.block_channels
            weights = shift(buffers.weights, block * 36 * plan.weight_step)
            depth = min(plan.block_channels, plan.channels - c)
            multiply(shift(buffers.pixels, c), weights, products, rows * plan.tiles_w, depth, c, plan)
        write_outputs(products, plan, bias, g, m, row0, rows, places_out, buffers.lines, top)


@parallel_kernel
def forward_by_rows(
    bottom: np.ndarray,
    packed: np.ndarray,
    bias: np.ndarray,
    top: np.ndarray,
    plan: Winograd,
    places_in: np.ndarray,
    places_out: np.ndarray,
    slabs: np.ndarray,
    scratches: np.ndarray,
    pixels: np.ndarray,
    products: np.ndarray,
    worker: int,
    workers: int,
) -> None:
    """Fill top; the last four arrays have a row a share of the work."""
    blocks, shares = (plan.num * plan.tiles_h + plan.block_rows - 1) // plan.block_rows, slabs.shape[0]
    for share in range(worker, shares, workers):
        slab, lines = pointer(slabs, share * slabs.shape[1]), pointer(scratches, share * scratches.shape[1])
        own, product = pointer(pixels, share * pixels.shape[1]), pointer(products, share * products.shape[1])
        buffers = Buffers(lines, own, pointer(packed, 0), product)
        first, last = signed_share_of(plan.group * blocks, share, shares)
        for block in range(first, last):
            g, row0 = block // blocks, block % blocks * plan.block_rows
            forward_rows(g, row0, bottom, bias, top, plan, places_in, places_out, slab, buffers)


@kernel
def forward_outputs(
    g: int,
    m: int,
    weight: np.ndarray,
    flipped: int,
    bias: np.ndarray,
    top: np.ndarray,
    plan: Winograd,
    taps: np.ndarray,
    places_out: np.ndarray,
    buffers: Buffers,
) -> None:
    """Fill a block of outputs of one group of top from transformed pixels."""
    own_code()
    rows, products = plan.num * plan.tiles_h, buffers.products
    for c0 in range(0, plan.channels, plan.block_channels):
        transform_weights(weight, plan, flipped, g, m, c0, taps, buffers.lines, buffers.weights)
        depth = min(plan.block_channels, plan.channels - c0)
        multiply(shift(buffers.pixels, c0), buffers.weights, products, rows * plan.tiles_w, depth, c0, plan)
    write_outputs(products, plan, bias, g, m, 0, rows, places_out, buffers.lines, top)


@parallel_kernel
def transform_all_pixels(
    bottom: np.ndarray,
    plan: Winograd,
    places: np.ndarray,
    slabs: np.ndarray,
    pixels: np.ndarray,
    worker: int,
    workers: int,
) -> None:
    """Transform all tiles; pixels has a row a group, slabs a row a share of the work."""
    rows, shares = plan.num * plan.tiles_h, slabs.shape[0]
    for share in range(worker, shares, workers):
        slab = pointer(slabs, share * slabs.shape[1])
        first, last = signed_share_of(plan.group * rows, share, shares)
        for line in range(first, last):
            g, row = line // rows, line % rows
            target = pointer(pixels, g * pixels.shape[1] + row * plan.tiles_w * plan.lanes)
            transform_pixels(bottom, plan, g, row, 1, places, slab, target)


@parallel_kernel
def forward_by_outputs(
    weight: np.ndarray,
    flipped: int,
    bias: np.ndarray,
    top: np.ndarray,
    plan: Winograd,
    taps: np.ndarray,
    places: np.ndarray,
    scratches: np.ndarray,
    pixels: np.ndarray,
    weights: np.ndarray,
    products: np.ndarray,
    worker: int,
    workers: int,
) -> None:
    """Fill top from transformed pixels, which have a row a group; the other scratch has a row a share of the work."""
    blocks, shares = (plan.outputs + plan.block_outputs - 1) // plan.block_outputs, scratches.shape[0]
    for share in range(worker, shares, workers):
        lines, own = pointer(scratches, share * scratches.shape[1]), pointer(weights, share * weights.shape[1])
        product = pointer(products, share * products.shape[1])
        first, last = signed_share_of(plan.group * blocks, share, shares)
        for block in range(first, last):
            g, m = block // blocks, block % blocks * plan.block_outputs
            buffers = Buffers(lines, pointer(pixels, g * pixels.shape[1]), own, product)
            forward_outputs(g, m, weight, flipped, bias, top, plan, taps, places, buffers)


class WinogradForward:
    """Forward pass of a 3x3 convolution of stride 1 without dilation."""

    def __init__(self, geometry: Geometry, registers: Registers) -> None:
        workers = thread_count()
        self.by_rows, self.plan = plan_winograd(geometry, registers, workers)
        plan = self.plan
        steps = 36 * np.array([plan.pixel_step, plan.weight_step, plan.product_step])
        output_blocks, channel_blocks = -(-plan.outputs // plan.block_outputs), -(-plan.channels // plan.block_channels)
        self.bias = aligned_zeros((plan.group, output_blocks * plan.block_outputs))
        self.slabs = aligned_zeros((workers, 6 * (plan.tiles_w * 4 + 2) * 16))
        self.scratches = aligned_zeros((workers, max(4 * plan.tiles_w * 64, 16 * 144)))
        self.scratch_shapes = (
            ("pixels", workers if self.by_rows else plan.group, steps[0]),
            ("weights", plan.group * output_blocks * channel_blocks if self.by_rows else workers, steps[1]),
            ("products", workers, steps[2]),
        )
        taps = np.arange(144, dtype=np.int32) * 16
        self.taps = (taps, taps[8::-1].copy())
        self.places_in = pixel_places(6, plan.width, plan.tiles_w * 4 + 2, plan.pad_w)
        self.places_out = pixel_places(4, plan.out_width, plan.tiles_w * 4, 0)

    def __call__(self, weight: np.ndarray, bias: np.ndarray | None, bottom: np.ndarray, top: np.ndarray) -> None:
        """Overwrite top (N, O, OH, OW); weight is (O, C / group, 3, 3), bias (O,) or None, bottom (N, C, H, W)."""
        plan = self.plan
        self.bias[:, : plan.outputs] = 0 if bias is None else bias.reshape(plan.group, plan.outputs)
        self.run(weight, 0, bottom, top)

    def run(self, weight: np.ndarray, flipped: int, bottom: np.ndarray, top: np.ndarray) -> None:
        """Overwrite top from the weights, flipped or not, and the bias that is set."""
        if top.size == 0:
            return
        plan, taps = self.plan, self.taps[flipped]
        pixels, weights, products = (scratch(*sizes) for sizes in self.scratch_shapes)
        if self.by_rows:
            transform_all_weights(weight, plan, flipped, taps, self.scratches, weights)
            own = (self.places_in, self.places_out, self.slabs, self.scratches)
            forward_by_rows(bottom, weights, self.bias, top, plan, *own, pixels, products)
        else:
            transform_all_pixels(bottom, plan, self.places_in, self.slabs, pixels)
            scratches = (self.scratches, pixels, weights, products)
            forward_by_outputs(weight, flipped, self.bias, top, plan, taps, self.places_out, *scratches)


class WinogradBottomGradient:
    """Bottom gradient of a 3x3 convolution of stride 1: a forward pass with flipped weights; pad is at most 2."""

    def __init__(self, geometry: Geometry, registers: Registers) -> None:
        self.forward = WinogradForward(flipped(geometry), registers)

    def __call__(self, weight: np.ndarray, top_diff: np.ndarray, bottom_diff: np.ndarray) -> None:
        """Overwrite bottom_diff (N, C, H, W); weight is (O, C / group, 3, 3), top_diff (N, O, OH, OW)."""
        if top_diff.size == 0:
            bottom_diff[...] = 0
        else:
            self.forward.run(weight, 1, top_diff, bottom_diff)


def plan_winograd(
    geometry: Geometry, registers: Registers, workers: int, by_rows: bool | None = None
) -> tuple[bool, Winograd]:
    """Choose whether rows of tiles are shared out, or outputs, unless it is given; and the sizes of blocks."""
    channels, outputs = geometry.group_channels, geometry.group_outputs
    tiles_h, tiles_w = max(1, -(-geometry.out_height // 4)), max(1, -(-geometry.out_width // 4))
    rows, lanes = max(1, geometry.num) * tiles_h, -(-channels // 16) * 16
    tiles = rows * tiles_w
    if by_rows is None:
        # the transformed weights would be written once and read by every worker, the pixels some four times
        many = geometry.group * -(-outputs // 32) >= workers
        by_rows = 4 * tiles > outputs * (1 + workers) or not many
    if by_rows:
        block_outputs = outputs_in_block(outputs, 4, geometry.group, 1)
    else:
        widest = min(4, max(2, PRODUCT_FLOATS // (36 * 16 * tiles)))
        block_outputs = outputs_in_block(outputs, widest, geometry.group, workers)
    block_rows = rows
    if by_rows:
        block_rows = max(BLOCK_FLOATS // (36 * lanes * tiles_w), -(-BLOCK_TILES // tiles_w))
        blocks = -(-rows // block_rows)
        while geometry.group * blocks % workers and geometry.group * blocks < 8 * workers and blocks < rows:
            blocks += 1
        block_rows = -(-rows // blocks)
    block_channels = -(-channels // -(-channels // DEPTH))
    plan = Winograd(
        registers,
        geometry.num,
        geometry.group,
        channels,
        outputs,
        geometry.height,
        geometry.width,
        geometry.out_height,
        geometry.out_width,
        geometry.pad_h,
        geometry.pad_w,
        tiles_h,
        tiles_w,
        lanes,
        block_outputs,
        block_channels,
        product_rows(registers, block_outputs // 16),
        block_rows,
        odd_lines(block_rows * tiles_w * lanes),
        odd_lines(block_channels * block_outputs),
        odd_lines(block_rows * tiles_w * block_outputs),
    )
    return by_rows, plan


def outputs_in_block(outputs: int, widest: int, group: int, workers: int) -> int:
    """Return how many outputs to take at once, in whole vectors, so that the busiest worker has least to do."""
    vectors = -(-outputs // 16)

    def cost(width: int) -> tuple[int, int]:
        blocks = group * -(-vectors // width)
        return -(-blocks // workers) * width, -width

    return 16 * min(range(min(vectors, 2), widest + 1), key=cost)
