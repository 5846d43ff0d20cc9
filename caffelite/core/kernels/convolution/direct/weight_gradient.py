"""Direct convolution, weight gradient: dot products of runs of top_diff with runs of a slab.

A tile holds the sums of some outputs times some taps, lanes are pixels. Both operands are read as they lie: nothing is
transposed, and neither few outputs nor few channels waste lanes.
"""

from typing import Any, NamedTuple

import numpy as np

from caffelite.core.aligned import aligned_zeros
from caffelite.core.kernels.convolution.direct.slab import (
    Layout,
    Slab,
    clear,
    fill_slab,
    slab_layout,
    slab_offsets,
    slab_phases,
)
from caffelite.core.kernels.convolution.direct.tiles import DOT_TILES, Samples, dot_tile
from caffelite.core.kernels.convolution.geometry import Geometry
from caffelite.core.kernels.ir.operands import RowMajor, Runs
from caffelite.core.kernels.ir.pointers import own_code, pointer, shift
from caffelite.core.kernels.ir.registers import Registers
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.jit.threads import thread_count
from caffelite.core.kernels.sharing import form, signed_share_of

SUM_PIXELS = 640  # pixels summed up in registers at once, so that adding the lanes up at the end costs little
SLAB_FLOATS = 32_000  # of one worker: with what is read of top_diff half of 1 MiB of L2
TOP_FLOATS = 100_000  # of top_diff that all channels meet before the next outputs do


class WeightGradient(NamedTuple):
    """Sizes of a direct weight gradient."""

    registers: Registers
    num: int
    group: int
    channels: int  # of one group, as are outputs
    outputs: int
    out_height: int
    out_width: int
    taps: int
    block: int  # channels in one slab
    samples: int  # samples in one slab
    slab_rows: int  # output rows in one slab
    sample_splits: int  # runs of samples, each of which has sums of its own
    channel_splits: int  # runs of a group's channels
    rows: int  # of a tile: outputs
    columns: int  # of a tile: taps
    block_outputs: int  # outputs whose top_diff stays in the L2 cache over all channels


class Block(NamedTuple):
    """What is done with one filling of the slab: some samples, output rows, outputs and channels of one group."""

    g: int
    n: int
    samples: int
    row0: int
    rows: int
    m0: int
    m1: int
    c: int
    channels: int


@kernel
def run_dots(
    registers: Registers, rows: int, a: RowMajor, b: Runs, c: RowMajor, valid: int, samples: Samples, count: int
) -> None:
    """Do what dot_tile does, as a function of its own."""
    own_code()
    dot_tile(registers, rows, a, b, c, valid, samples, count)


@kernel
def weight_gradient_split(
    split: int, top_diff: np.ndarray, bottom: np.ndarray, sums: Any, plan: WeightGradient, layout: Layout, scratch: Any
) -> None:
    """Add to sums, weights of all groups, what one run of samples gives for one run of one group's channels."""
    own_code()
    g, sample_split = split // plan.channel_splits % plan.group, split // plan.channel_splits // plan.group
    n0, n1 = signed_share_of(plan.num, sample_split, plan.sample_splits)
    c0, c1 = signed_share_of(plan.channels, split % plan.channel_splits, plan.channel_splits)
    for n in range(n0, n1, plan.samples):
        for row0 in range(0, plan.out_height, plan.slab_rows):
            rows = min(plan.slab_rows, plan.out_height - row0)
            for m in range(0, plan.outputs, plan.block_outputs):
                for c in range(c0, c1, plan.block):
                    samples, m1, channels = min(plan.samples, n1 - n), m + plan.block_outputs, min(plan.block, c1 - c)
                    block = Block(g, n, samples, row0, rows, m, min(plan.outputs, m1), c, channels)
                    weight_gradient_block(block, top_diff, bottom, sums, plan, layout, scratch)


@kernel
def weight_gradient_block(
    block: Block,
    top_diff: np.ndarray,
    bottom: np.ndarray,
    sums: Any,
    plan: WeightGradient,
    layout: Layout,
    scratch: Any,
) -> None:
    """Fill the slab and add what it gives to sums."""
    own_code()
    g, n, row0, c, m1 = block.g, block.n, block.row0, block.c, block.m1
    slab = layout.slab
    step = plan.block * slab.kernel_w * slab.plane
    for s in range(block.samples):
        image = pointer(bottom, (((n + s) * plan.group + g) * plan.channels + c) * slab.height * slab.width)
        fill_slab(image, block.channels, row0, block.rows, slab, layout.phases, shift(scratch, s * step))
    plane, stride = plan.out_height * plan.out_width, plan.channels * plan.taps
    size, count = block.channels * plan.taps, block.rows * plan.out_width
    samples = Samples(block.samples, plan.group * plan.outputs * plane, step)
    for m in range(block.m0, m1, plan.rows):
        a = pointer(top_diff, ((n * plan.group + g) * plan.outputs + m) * plane + row0 * plan.out_width)
        for k in range(0, size, plan.columns):
            b = Runs(scratch, shift(layout.offsets, k), min(plan.columns, size - k))
            target = RowMajor(shift(sums, (g * plan.outputs + m) * stride + c * plan.taps + k), stride)
            valid = min(plan.rows, m1 - m)
            run_dots(plan.registers, plan.rows, RowMajor(a, plane), b, target, valid, samples, count)


@parallel_kernel
def weight_gradient(
    top_diff: np.ndarray,
    bottom: np.ndarray,
    weight_diff: np.ndarray,
    plan: WeightGradient,
    slab: Slab,
    offsets: np.ndarray,
    phases: np.ndarray,
    sums: np.ndarray,
    scratches: np.ndarray,
    worker: int,
    workers: int,
) -> None:
    """Add to weight_diff, and fill sums, a row a run of samples but the first; scratches has a row a share."""
    count = weight_diff.size
    splits, shares = plan.group * plan.channel_splits, scratches.shape[0]
    layout = Layout(slab, pointer(offsets, 0), pointer(phases, 0))
    for share in range(worker, shares, workers):
        scratch = pointer(scratches, share * scratches.shape[1])
        first, last = signed_share_of(plan.sample_splits * splits, share, shares)
        for split in range(first, last):
            target = pointer(weight_diff, 0)
            if split >= splits:
                target = pointer(sums, (split // splits - 1) * count)
                # samples are split only where channels are not: a split owns its group's sums, and clears no others
                clear(shift(target, split % splits * (count // splits)), count // splits)
            weight_gradient_split(split, top_diff, bottom, target, plan, layout, scratch)


@kernel
def add_sums(sums: np.ndarray, splits: int, weight_diff: np.ndarray) -> None:
    """Add the first `splits` rows of sums to weight_diff; rows are as long as weight_diff, one after the other."""
    count, target = weight_diff.size, pointer(weight_diff, 0)
    for split in range(splits):
        source = pointer(sums, split * count)
        for i in range(count):
            target[i] += source[i]


class DirectWeightGradient:
    """Weight gradient of a convolution of any geometry; scratch is allocated here, once."""

    def __init__(self, geometry: Geometry, registers: Registers) -> None:
        workers = thread_count()
        self.plan = plan_weight_gradient(geometry, registers, workers)
        self.slab = slab_layout(geometry, self.plan.slab_rows)
        offsets = slab_offsets(geometry, self.slab, self.plan.block)
        self.offsets = np.concatenate([offsets, np.repeat(offsets[-1:], self.plan.columns)])
        self.phases = slab_phases(geometry)
        count = geometry.num_output * geometry.group_channels * geometry.taps
        self.sums = aligned_zeros((self.plan.sample_splits - 1, -(-count // 16) * 16))
        floats = self.plan.samples * self.plan.block * self.slab.kernel_w * self.slab.plane + 16
        self.scratches = aligned_zeros((workers, floats))
        self.run = form(weight_gradient, 2 * geometry.multiply_adds)

    def __call__(self, top_diff: np.ndarray, bottom: np.ndarray, weight_diff: np.ndarray) -> None:
        """Add to weight_diff (O, C / group, KH, KW); top_diff is (N, O, OH, OW), bottom (N, C, H, W)."""
        if top_diff.size == 0:
            return
        self.run(
            top_diff, bottom, weight_diff, self.plan, self.slab, self.offsets, self.phases, self.sums, self.scratches
        )
        if self.plan.sample_splits > 1:
            add_sums(self.sums, self.plan.sample_splits - 1, weight_diff)


def plan_weight_gradient(geometry: Geometry, registers: Registers, workers: int) -> WeightGradient:
    """Choose slabs and blocks: channels are shared out, or samples where there are too few channels."""
    channels, outputs, num = geometry.group_channels, geometry.group_outputs, max(1, geometry.num)
    out_height, out_width = max(1, geometry.out_height), max(1, geometry.out_width)
    rows, columns = min(
        DOT_TILES[type(registers)], key=lambda tile: -(-outputs // tile[0]) * tile[0] / (tile[0] * tile[1])
    )
    slab_rows = min(out_height, -(-2 * SUM_PIXELS // out_width))
    slab_rows = -(-out_height // -(-out_height // slab_rows))
    sample_splits, channel_splits = 1, 1
    if geometry.group % workers:
        if channels % workers == 0 or channels >= 8 * workers:
            channel_splits = workers
        else:
            sample_splits = min(workers, num)
    samples = min(-(-num // sample_splits), max(1, SUM_PIXELS // (slab_rows * out_width)))
    floats = samples * geometry.kernel_w * slab_layout(geometry, slab_rows).plane
    block = max(1, min(-(-channels // channel_splits), SLAB_FLOATS // floats))
    blocks = -(-outputs * samples * slab_rows * out_width // TOP_FLOATS)
    return WeightGradient(
        registers,
        geometry.num,
        geometry.group,
        channels,
        outputs,
        out_height,
        out_width,
        geometry.taps,
        block,
        samples,
        slab_rows,
        sample_splits,
        channel_splits,
        rows,
        columns,
        -(-outputs // (blocks * rows)) * rows,
    )
