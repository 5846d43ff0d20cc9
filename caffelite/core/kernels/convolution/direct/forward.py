"""Direct convolution, forward: lanes are pixels, weights are broadcast, and the image is read from a slab.

A slab is of some output rows of one sample and group. Channels go in blocks of some 290 taps, so that what a tile
reads of the slab stays in the L1 cache; the top is started with the bias and then added to.
"""

from typing import Any, NamedTuple

import numpy as np

from caffelite.core.aligned import aligned_zeros
from caffelite.core.kernels.convolution.direct.slab import (
    Layout,
    Slab,
    fill_slab,
    padding_share,
    slab_layout,
    slab_offsets,
    slab_phases,
    valid_range,
)
from caffelite.core.kernels.convolution.direct.tiles import PIXEL_TILES, pixel_tile
from caffelite.core.kernels.convolution.geometry import Geometry
from caffelite.core.kernels.ir.operands import RowMajor, Runs, Start
from caffelite.core.kernels.ir.pointers import own_code, pointer, shift
from caffelite.core.kernels.ir.registers import Registers
from caffelite.core.kernels.ir.transposes import to_some_lanes
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.jit.threads import thread_count
from caffelite.core.kernels.sharing import form, signed_share_of

BLOCK_TAPS = 290  # weights of one output in one pass over a tile
SLAB_FLOATS = 100_000  # of one worker: with the top and the weights this leaves room in 1 MiB of L2


class Forward(NamedTuple):
    """Sizes of a direct forward pass."""

    registers: Registers
    num: int
    group: int
    channels: int  # of one group, as are outputs
    outputs: int
    out_height: int
    out_width: int
    taps: int
    block: int  # channels in one block
    slab_rows: int  # output rows of one slab
    splits: int  # in how many runs the outputs of a slab are computed, each with a slab of its own
    passes: (
        int  # kernel_h: a pass for each kernel row skips the output rows for which it is padding; 1: all rows at once
    )
    dilation_h: int
    rows: int  # of a tile: outputs
    vectors: int  # of a tile: 16 pixels each


@kernel
def run_tile(
    registers: Registers, rows: int, vectors: int, a: Any, b: Runs, c: RowMajor, valid: int, lanes: int, start: Start
) -> None:
    """Do what pixel_tile does, as a function of its own."""
    own_code()
    pixel_tile(registers, rows, vectors, a, b, c, valid, lanes, start)


def best_tile(registers: Registers, rows: int) -> tuple[int, int]:
    """Return rows and vectors of the tile that wastes least on `rows` rows."""
    return min(PIXEL_TILES[type(registers)], key=lambda tile: -(-rows // tile[0]) * tile[0])


@kernel
def pack_panel(
    weight: np.ndarray, plan: Forward, flipped: int, g: int, p: int, places: np.ndarray, packed: np.ndarray
) -> None:
    """Pack panel p of group g, for every block of channels."""
    own_code()
    across, down = plan.taps, plan.channels * plan.taps
    if flipped:
        across, down = plan.outputs * plan.taps, plan.taps
    rows = min(plan.rows, plan.outputs - p * plan.rows)
    source = pointer(weight, g * plan.outputs * plan.channels * plan.taps + p * plan.rows * down)
    for c0 in range(0, plan.channels, plan.block):
        count = min(plan.block, plan.channels - c0)
        target = pointer(packed, block_start(plan, g, c0) + p * plan.block * plan.taps // plan.passes * plan.rows)
        runs, length = (count, plan.taps) if flipped else (1, count * plan.taps)
        for run in range(runs):
            here = shift(source, (c0 + run) * across)
            to_some_lanes(here, down, rows, length, target, pointer(places, run * plan.taps), plan.rows)


@kernel
def block_start(plan: Forward, g: int, c0: int) -> int:
    """Return where the packed weights of the block of channels from c0 on of group g start."""
    panels = (plan.outputs + plan.rows - 1) // plan.rows
    blocks = (plan.channels + plan.block - 1) // plan.block
    return (g * blocks + c0 // plan.block) * plan.block * plan.taps * panels * plan.rows


@parallel_kernel
def pack_weights(
    weight: np.ndarray, plan: Forward, flipped: int, places: np.ndarray, packed: np.ndarray, worker: int, workers: int
) -> None:
    """packed[group, block of channels, pass, panel of outputs, k, rows of a tile] from weight.

    weight is (group * outputs, channels, ...), or with `flipped` (group * channels, outputs, ...): then outputs are
    what the weights' own convolution calls channels. places[channel, tap] are starts of columns in the first panel.
    """
    panels = (plan.outputs + plan.rows - 1) // plan.rows
    first, last = signed_share_of(plan.group * panels, worker, workers)
    for panel in range(first, last):
        pack_panel(weight, plan, flipped, panel // panels, panel % panels, places, packed)


@kernel
def forward_block(
    block: int,
    bottom: np.ndarray,
    packed: np.ndarray,
    bias: np.ndarray,
    top: np.ndarray,
    plan: Forward,
    layout: Layout,
    scratch: Any,
) -> None:
    """Fill a block of top: some output rows, as many as a slab has, and outputs of one group of one sample."""
    own_code()
    slab = layout.slab
    panels = (plan.outputs + plan.rows - 1) // plan.rows
    row_blocks = (plan.out_height + plan.slab_rows - 1) // plan.slab_rows
    split, rest = block % plan.splits, block // plan.splits
    g, rest = rest % plan.group, rest // plan.group
    row0, n = rest % row_blocks * plan.slab_rows, rest // row_blocks
    rows = min(plan.slab_rows, plan.out_height - row0)
    panel0, panel1 = panels * split // plan.splits, panels * (split + 1) // plan.splits
    biases = pointer(bias, g * panels * plan.rows)
    target = pointer(top, ((n * plan.group + g) * plan.outputs * plan.out_height + row0) * plan.out_width)
    above, below = 0, rows
    if plan.passes > 1:
        start_top(target, biases, panel0 * plan.rows, min(panel1 * plan.rows, plan.outputs), rows, plan)
    for c0 in range(0, plan.channels, plan.block):
        count = min(plan.block, plan.channels - c0)
        image = ((n * plan.group + g) * plan.channels + c0) * slab.height * slab.width
        fill_slab(pointer(bottom, image), count, row0, rows, slab, layout.phases, scratch)
        for i in range(plan.passes):
            k = plan.block * plan.taps // plan.passes
            if plan.passes > 1:
                start = row0 * slab.stride_h + i * plan.dilation_h - slab.pad_h
                above, below = valid_range(start, slab.stride_h, slab.height, rows)
            runs = Runs(
                shift(scratch, above * plan.out_width), shift(layout.offsets, i * k), count * plan.taps // plan.passes
            )
            add_channels(
                panel0,
                panel1,
                pointer(packed, block_start(plan, g, c0) + i * panels * k * plan.rows),
                runs,
                shift(target, above * plan.out_width),
                (below - above) * plan.out_width,
                plan,
                Start(biases, c0 + plan.passes - 1),
            )


@kernel
def start_top(top: Any, bias: Any, first: int, last: int, rows: int, plan: Forward) -> None:
    """Set `rows` rows of the outputs from first to last to their bias."""
    own_code()
    for m in range(first, last):
        line = shift(top, m * plan.out_height * plan.out_width)
        for i in range(rows * plan.out_width):
            line[i] = bias[m]


@kernel
def add_channels(
    panel0: int, panel1: int, packed: Any, pixels: Runs, top: Any, count: int, plan: Forward, start: Start
) -> None:
    """All tiles of one block of channels: `count` pixels of the outputs of panels panel0 to panel1."""
    own_code()
    stride = plan.out_height * plan.out_width
    todo = (count + 15) // 16
    while todo > 0:
        tiles = (todo + plan.vectors - 1) // plan.vectors
        vectors = (todo + tiles - 1) // tiles  # 4 as 2 + 2, not 3 + 1: a tile of one vector waits for its loads
        pixel = ((count + 15) // 16 - todo) * 16
        todo -= vectors
        for p in range(panel0, panel1):
            row = p * plan.rows
            run_tile(
                plan.registers,
                plan.rows,
                vectors,
                shift(packed, row * (plan.block * plan.taps // plan.passes)),
                Runs(shift(pixels.data, pixel), pixels.offsets, pixels.number),
                RowMajor(shift(top, row * stride + pixel), stride),
                plan.outputs - row,
                min(16, count - pixel - (vectors - 1) * 16),
                Start(shift(start.bias, row), start.more),
            )


@parallel_kernel
def forward(
    bottom: np.ndarray,
    packed: np.ndarray,
    bias: np.ndarray,
    top: np.ndarray,
    plan: Forward,
    slab: Slab,
    offsets: np.ndarray,
    phases: np.ndarray,
    scratches: np.ndarray,
    worker: int,
    workers: int,
) -> None:
    """Fill top; scratches has a row a share of the work."""
    row_blocks = (plan.out_height + plan.slab_rows - 1) // plan.slab_rows
    blocks, shares = plan.num * row_blocks * plan.group * plan.splits, scratches.shape[0]
    layout = Layout(slab, pointer(offsets, 0), pointer(phases, 0))
    for share in range(worker, shares, workers):  # blocks have no pixel of top in common
        scratch = pointer(scratches, share * scratches.shape[1])
        first, last = signed_share_of(blocks, share, shares)
        for block in range(first, last):
            forward_block(block, bottom, packed, bias, top, plan, layout, scratch)


class DirectForward:
    """Forward pass of a convolution of any geometry; scratch is allocated here, once."""

    def __init__(self, geometry: Geometry, registers: Registers) -> None:
        workers = thread_count()
        self.geometry = geometry
        self.plan = plan_forward(geometry, registers, workers)
        self.slab = slab_layout(geometry, self.plan.slab_rows)
        self.offsets = pass_order(slab_offsets(geometry, self.slab, self.plan.block), self.plan)
        self.phases = slab_phases(geometry)
        panels = -(-self.plan.outputs // self.plan.rows)
        places = packed_places(self.plan, panels)
        self.places = (places, np.ascontiguousarray(places[:, ::-1]))  # flipped weights: the last tap becomes the first
        blocks = -(-self.plan.channels // self.plan.block)
        self.packed = aligned_zeros(
            (geometry.group, blocks * self.plan.block * self.plan.taps * panels * self.plan.rows)
        )
        self.bias = aligned_zeros((geometry.group, panels * self.plan.rows))
        overhang = 16 * self.plan.vectors
        self.scratches = aligned_zeros((workers, self.plan.block * self.slab.kernel_w * self.slab.plane + overhang))
        self.pack, self.forward = (form(pair, 2 * geometry.multiply_adds) for pair in (pack_weights, forward))

    def __call__(self, weight: np.ndarray, bias: np.ndarray | None, bottom: np.ndarray, top: np.ndarray) -> None:
        """Overwrite top (N, O, OH, OW); weight is (O, C / group, KH, KW), bias (O,) or None, bottom (N, C, H, W)."""
        plan = self.plan
        self.bias[:, : plan.outputs] = 0 if bias is None else bias.reshape(plan.group, plan.outputs)
        self.run(weight, 0, bottom, top)

    def run(self, weight: np.ndarray, flipped: int, bottom: np.ndarray, top: np.ndarray) -> None:
        """Overwrite top from the weights, flipped or not, and the bias that is set."""
        if top.size == 0:
            return
        self.pack(weight, self.plan, flipped, self.places[flipped], self.packed)
        self.forward(
            bottom, self.packed, self.bias, top, self.plan, self.slab, self.offsets, self.phases, self.scratches
        )


def pass_order(taps: np.ndarray, plan: Forward) -> np.ndarray:
    """Sort values of the taps (channel, i, j) by pass."""
    return np.ascontiguousarray(taps.reshape(plan.block, plan.passes, -1).swapaxes(0, 1)).ravel()


def packed_places(plan: Forward, panels: int) -> np.ndarray:
    """Return where the column of each weight (channel, tap) of a block starts in the first panel, int32."""
    taps = np.arange(plan.block * plan.taps)
    order = pass_order(taps, plan).reshape(plan.passes, -1)
    places = np.empty(taps.size, np.int32)
    k = order.shape[1]
    places[order] = (np.arange(plan.passes)[:, None] * panels * k + np.arange(k)) * plan.rows
    return places.reshape(plan.block, plan.taps)


def plan_forward(geometry: Geometry, registers: Registers, workers: int) -> Forward:
    """Choose the sizes of blocks, slabs and tiles, with as many blocks for every worker where that is possible."""
    channels, outputs = geometry.group_channels, geometry.group_outputs
    out_height, out_width = max(1, geometry.out_height), max(1, geometry.out_width)
    rows, vectors = best_tile(registers, outputs)
    panels = -(-outputs // rows)
    passes = geometry.kernel_h if padding_share(geometry) > 0.03 and channels * geometry.kernel_w >= 64 else 1
    blocks = -(-channels // max(1, min(channels, BLOCK_TAPS * passes // geometry.taps)))
    block = -(-channels // blocks)
    slab_rows = out_height
    while slab_rows > 1 and block * geometry.kernel_w * slab_layout(geometry, slab_rows).plane > SLAB_FLOATS:
        slab_rows -= 1
    row_blocks = -(-out_height // slab_rows)
    images = geometry.num * geometry.group
    while images * row_blocks % workers and images * row_blocks < 4 * workers and slab_rows * out_width > 200:
        row_blocks += 1
        slab_rows = -(-out_height // row_blocks)
    row_blocks = -(-out_height // slab_rows)
    slabs = images * row_blocks
    splits = 1 if slabs % workers == 0 or slabs >= 4 * workers else min(workers, panels)
    return Forward(
        registers,
        geometry.num,
        geometry.group,
        channels,
        outputs,
        out_height,
        out_width,
        geometry.taps,
        block,
        -(-out_height // row_blocks),
        splits,
        passes,
        geometry.dilation_h,
        rows,
        vectors,
    )
