"""The steps of Winograd's F(4x4, 3x3), each for a block of tiles or of outputs.

Transformed pixels, weights and products are 36 matrices, (tiles x channels), (channels x outputs), (tiles x outputs).
Tiles are counted through rows of tiles, and rows of tiles through the samples.
"""

from typing import Any, NamedTuple

import numpy as np

from caffelite.core.kernels.convolution.direct.slab import clear
from caffelite.core.kernels.convolution.winograd.tiles import input_transform, output_transform, weight_transform
from caffelite.core.kernels.gemm.products import run_product
from caffelite.core.kernels.ir.operands import Matrix, RowMajor
from caffelite.core.kernels.ir.pointers import own_code, pointer, shift
from caffelite.core.kernels.ir.registers import Registers
from caffelite.core.kernels.ir.transposes import from_lanes, to_lanes
from caffelite.core.kernels.jit.compile import kernel


class Winograd(NamedTuple):
    """Sizes of a forward pass."""

    registers: Registers
    num: int
    group: int
    channels: int  # of one group, as are outputs
    outputs: int
    height: int
    width: int
    out_height: int
    out_width: int
    pad_h: int
    pad_w: int
    tiles_h: int
    tiles_w: int
    lanes: int  # channels, in whole vectors
    block_outputs: int  # outputs in one pass, in whole vectors
    block_channels: int  # channels in one pass
    tile_rows: int  # of a tile of products: tiles of pixels
    block_rows: int  # rows of tiles, numbered across samples, in one pass
    pixel_step: int  # floats between planes of transformed pixels, weights and products: odd numbers of cache lines
    weight_step: int
    product_step: int


@kernel
def fill_rows(
    image: Any, lanes: int, first: int, rows: int, height: int, width: int, pitch: int, places: Any, scratch: Any
) -> None:
    """scratch[row, column, 16] from `rows` rows of up to 16 planes from row `first` on; those outside the image are 0.

    places[row * width + column] are the pixels' places in scratch for a first row inside; pitch is floats a row.
    """
    own_code()
    above = min(rows, max(0, -first))
    below = max(above, min(rows, height - first))
    clear(scratch, above * pitch)
    clear(shift(scratch, below * pitch), (rows - below) * pitch)
    if below > above:
        source = shift(image, (first + above) * width)
        to_lanes(source, height * width, lanes, (below - above) * width, shift(scratch, above * pitch), places)


@kernel
def transform_pixels(
    bottom: np.ndarray, plan: Winograd, g: int, row0: int, rows: int, places: np.ndarray, scratch: Any, pixels: Any
) -> None:
    """pixels[e * pixel_step + tile * lanes + channel] of `rows` rows of tiles of one group."""
    own_code()
    pitch = (plan.tiles_w * 4 + 2) * 16
    for c in range(0, plan.channels, 16):
        for row in range(rows):
            n, ty = (row0 + row) // plan.tiles_h, (row0 + row) % plan.tiles_h
            image = pointer(bottom, ((n * plan.group + g) * plan.channels + c) * plan.height * plan.width)
            lanes, first = min(16, plan.channels - c), ty * 4 - plan.pad_h
            fill_rows(image, lanes, first, 6, plan.height, plan.width, pitch, pointer(places, 0), scratch)
            for tx in range(plan.tiles_w):
                target = shift(pixels, (row * plan.tiles_w + tx) * plan.lanes + c)
                input_transform(shift(scratch, tx * 64), pitch, target, plan.pixel_step)


@kernel
def transform_weights(
    weight: np.ndarray,
    plan: Winograd,
    flipped: int,
    g: int,
    m: int,
    c0: int,
    taps: np.ndarray,
    scratch: Any,
    target: Any,
) -> None:
    """target[e * weight_step + channel * block_outputs + output] for blocks of channels from c0 and outputs from m on.

    weight is (group * outputs, channels, 3, 3), or with `flipped` (group * channels, outputs, 3, 3) and read backwards.
    """
    own_code()
    last = min(plan.channels, c0 + plan.block_channels)
    for lane in range(m, min(plan.outputs, m + plan.block_outputs), 16):
        outputs = min(16, plan.outputs - lane)
        for c in range(c0, last, 16):
            count = min(16, last - c)
            if flipped:
                for i in range(count):
                    source = pointer(weight, ((g * plan.channels + c + i) * plan.outputs + lane) * 9)
                    to_lanes(source, 9, outputs, 9, shift(scratch, i * 144), pointer(taps, 0))
            else:
                source = pointer(weight, ((g * plan.outputs + lane) * plan.channels + c) * 9)
                to_lanes(source, plan.channels * 9, outputs, count * 9, scratch, pointer(taps, 0))
            for i in range(count):
                place = shift(target, (c - c0 + i) * plan.block_outputs + lane - m)
                weight_transform(shift(scratch, i * 144), place, plan.weight_step)


@kernel
def multiply(pixels: Any, weights: Any, products: Any, tiles: int, depth: int, more: int, plan: Winograd) -> None:
    """products[e, tile, output] = pixels[e, tile, channel] x weights[e, channel, output], or += where more is not 0."""
    own_code()
    vectors = plan.block_outputs // 16
    rows = plan.tile_rows
    for e in range(36):
        b = RowMajor(shift(weights, e * plan.weight_step), plan.block_outputs)
        for t in range(0, tiles, rows):
            a = Matrix(shift(pixels, e * plan.pixel_step + t * plan.lanes), plan.lanes, 1)
            c = RowMajor(shift(products, e * plan.product_step + t * plan.block_outputs), plan.block_outputs)
            run_product(plan.registers, vectors, a, b, depth, c, min(rows, tiles - t), more)


@kernel
def write_outputs(
    products: Any,
    plan: Winograd,
    bias: np.ndarray,
    g: int,
    m: int,
    row0: int,
    rows: int,
    places: np.ndarray,
    scratch: Any,
    top: np.ndarray,
) -> None:
    """Fill `rows` rows of tiles of a block of outputs of top."""
    own_code()
    pitch, plane = plan.tiles_w * 64, plan.out_height * plan.out_width
    for lane in range(m, min(plan.outputs, m + plan.block_outputs), 16):
        start = pointer(bias, g * bias.shape[1] + lane)
        for row in range(rows):
            n, ty = (row0 + row) // plan.tiles_h, (row0 + row) % plan.tiles_h
            for tx in range(plan.tiles_w):
                source = shift(products, (row * plan.tiles_w + tx) * plan.block_outputs + lane - m)
                output_transform(source, plan.product_step, start, shift(scratch, tx * 64), pitch)
            target = pointer(top, ((n * plan.group + g) * plan.outputs + lane) * plane + ty * 4 * plan.out_width)
            count = min(4, plan.out_height - ty * 4) * plan.out_width
            from_lanes(0, scratch, pointer(places, 0), count, target, plane, min(16, plan.outputs - lane))


def pixel_places(rows: int, width: int, pitch: int, pad: int) -> np.ndarray:
    """Return where the 16 channels of each pixel of rows of `width` are in rows of `pitch` pixels, int32."""
    row, column = np.indices((rows, width))
    places: np.ndarray = ((row * pitch + column + pad) * 16).astype(np.int32).ravel()
    return places
