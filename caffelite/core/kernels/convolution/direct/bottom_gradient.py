"""Direct convolution, bottom gradient.

Stride 1: a forward pass from the top's gradient with flipped weights. Otherwise the adjoint of the forward pass, step
by step: weights transposed x top_diff is added up in a slab, which is then folded into the image. Unlike the flipped
form this never multiplies by the zeros that stride or padding would insert.
"""

from typing import Any, NamedTuple

import numpy as np

from caffelite.core.aligned import aligned_zeros
from caffelite.core.kernels.convolution.direct.forward import DirectForward, best_tile, run_tile
from caffelite.core.kernels.convolution.direct.slab import Slab, clear, fold_slab, slab_layout, slab_phases
from caffelite.core.kernels.convolution.geometry import Geometry
from caffelite.core.kernels.ir.operands import RowMajor, Runs, Start
from caffelite.core.kernels.ir.pointers import copy_rows, own_code, pointer, shift
from caffelite.core.kernels.ir.registers import Registers
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.jit.threads import thread_count
from caffelite.core.kernels.sharing import form, signed_share_of

SLAB_FLOATS = 64_000  # of one worker


class FlippedBottomGradient:
    """Bottom gradient of a convolution of stride 1: the forward pass of another convolution."""

    def __init__(self, geometry: Geometry, registers: Registers) -> None:
        self.forward = DirectForward(flipped(geometry), registers)

    def __call__(self, weight: np.ndarray, top_diff: np.ndarray, bottom_diff: np.ndarray) -> None:
        """Overwrite bottom_diff (N, C, H, W); weight is (O, C / group, KH, KW), top_diff (N, O, OH, OW)."""
        self.forward.run(weight, 1, top_diff, bottom_diff)


def flipped(geometry: Geometry) -> Geometry:
    """Return the convolution that takes top_diff to bottom_diff; its pad may be negative."""
    return geometry._replace(
        channels=geometry.num_output,
        height=geometry.out_height,
        width=geometry.out_width,
        num_output=geometry.channels,
        pad_h=geometry.dilation_h * (geometry.kernel_h - 1) - geometry.pad_h,
        pad_w=geometry.dilation_w * (geometry.kernel_w - 1) - geometry.pad_w,
    )


class BottomGradient(NamedTuple):
    """Sizes of a folded bottom gradient."""

    registers: Registers
    num: int
    group: int
    channels: int  # of one group, as are outputs
    outputs: int
    out_height: int
    out_width: int
    kernel_h: int
    block: int  # channels in one slab
    rows: int  # of a tile: planes of the slab
    vectors: int  # of a tile: 16 pixels each


class SumLayout(NamedTuple):
    """The slab that sums are added up in, and pointers into tables about it."""

    slab: Slab
    starts: Any  # of the rows that each kernel row adds to, in a plane
    phases: Any  # of slab_phases
    columns: Any  # where each output's pixels start in a worker's lines, int32


@kernel
def pack_block(weight: np.ndarray, plan: BottomGradient, slab: Slab, g: int, block: int, target: Any) -> None:
    """Pack one block of channels of group g."""
    own_code()
    c0, area = block * plan.block, plan.kernel_h * slab.kernel_w
    planes = min(plan.block, plan.channels - c0) * slab.kernel_w
    for i in range(plan.kernel_h):
        for p in range(0, planes, plan.rows):
            for m in range(plan.outputs):
                base = ((g * plan.outputs + m) * plan.channels + c0) * area + i * slab.kernel_w
                source = pointer(weight, base)
                for row in range(p, p + plan.rows):
                    c, j = row // slab.kernel_w, row % slab.kernel_w
                    target[0] = source[c * area + j] if row < planes else np.float32(0)
                    target = shift(target, 1)


@parallel_kernel
def pack_columns(
    weight: np.ndarray, plan: BottomGradient, slab: Slab, packed: np.ndarray, worker: int, workers: int
) -> None:
    """packed[group, block of channels, kernel row, panel of planes, output, rows of a tile] from weight."""
    blocks = (plan.channels + plan.block - 1) // plan.block
    first, last = signed_share_of(plan.group * blocks, worker, workers)
    for block in range(first, last):
        target = pointer(packed, block * block_weights(plan, slab))
        pack_block(weight, plan, slab, block // blocks, block % blocks, target)


@kernel
def block_weights(plan: BottomGradient, slab: Slab) -> int:
    """Return how many floats the packed weights of one block take."""
    panels = (plan.block * slab.kernel_w + plan.rows - 1) // plan.rows
    return plan.kernel_h * panels * plan.outputs * plan.rows


@kernel
def bottom_gradient_block(
    number: int,
    packed: np.ndarray,
    top_diff: np.ndarray,
    bottom_diff: np.ndarray,
    plan: BottomGradient,
    layout: SumLayout,
    scratch: Any,
    lines: Any,
) -> None:
    """Fill one block of channels of one sample of bottom_diff."""
    own_code()
    slab = layout.slab
    blocks = (plan.channels + plan.block - 1) // plan.block
    block, rest = number % blocks, number // blocks
    g, n = rest % plan.group, rest // plan.group
    c0 = block * plan.block
    count = min(plan.block, plan.channels - c0)
    clear(scratch, count * slab.kernel_w * slab.plane)
    plane, width = plan.out_height * plan.out_width, plan.vectors * 16
    weights = pointer(packed, (g * blocks + block) * block_weights(plan, slab))
    for pixel in range(0, plane, width):
        left = min(width, plane - pixel)
        source = pointer(top_diff, (n * plan.group + g) * plan.outputs * plane + pixel)
        copy_rows(1, source, plane, lines, width, 0, left, left, plan.outputs)
        runs = Runs(lines, layout.columns, plan.outputs)
        add_columns(weights, runs, count * slab.kernel_w, left, plan, layout, shift(scratch, pixel))
    image = ((n * plan.group + g) * plan.channels + c0) * slab.height * slab.width
    fold_slab(scratch, count, slab, layout.phases, pointer(bottom_diff, image))


@kernel
def add_columns(
    weights: Any, lines: Runs, planes: int, left: int, plan: BottomGradient, layout: SumLayout, scratch: Any
) -> None:
    """Add weights transposed x lines, `left` pixels of top_diff, to all planes of the slab, for every kernel row."""
    own_code()
    vectors, plane = (left + 15) // 16, layout.slab.plane
    for i in range(plan.kernel_h):
        for p in range(0, planes, plan.rows):
            target = RowMajor(shift(scratch, p * plane + layout.starts[i]), plane)
            valid, lanes = min(plan.rows, planes - p), left - (vectors - 1) * 16
            start = Start(weights, 1)  # no bias: all is added to what is there
            run_tile(plan.registers, plan.rows, vectors, weights, lines, target, valid, lanes, start)
            weights = shift(weights, plan.outputs * plan.rows)


@parallel_kernel
def bottom_gradient(
    packed: np.ndarray,
    top_diff: np.ndarray,
    bottom_diff: np.ndarray,
    plan: BottomGradient,
    slab: Slab,
    starts: np.ndarray,
    phases: np.ndarray,
    columns: np.ndarray,
    scratches: np.ndarray,
    lines: np.ndarray,
    worker: int,
    workers: int,
) -> None:
    """Fill bottom_diff; scratches and lines have a row a share of the work."""
    blocks = (plan.channels + plan.block - 1) // plan.block
    shares = scratches.shape[0]
    layout = SumLayout(slab, pointer(starts, 0), pointer(phases, 0), pointer(columns, 0))
    for share in range(worker, shares, workers):  # blocks have no channel of bottom_diff in common
        scratch, line = pointer(scratches, share * scratches.shape[1]), pointer(lines, share * lines.shape[1])
        first, last = signed_share_of(plan.num * plan.group * blocks, share, shares)
        for block in range(first, last):
            bottom_gradient_block(block, packed, top_diff, bottom_diff, plan, layout, scratch, line)


class FoldedBottomGradient:
    """Bottom gradient of a convolution of any geometry; scratch is allocated here, once."""

    def __init__(self, geometry: Geometry, registers: Registers) -> None:
        workers = thread_count()
        self.slab = slab_layout(geometry, max(1, geometry.out_height))
        self.plan = plan_bottom_gradient(geometry, registers, self.slab, workers)
        self.phases = slab_phases(geometry)
        down = np.arange(geometry.kernel_h) * geometry.dilation_h
        phase = np.searchsorted(self.phases, down % geometry.stride_h)
        self.starts = (phase * self.slab.capacity + down // geometry.stride_h) * self.slab.pitch
        width = 16 * self.plan.vectors
        self.columns = (np.arange(self.plan.outputs) * width).astype(np.int32)
        blocks = -(-self.plan.channels // self.plan.block)
        panels = -(-self.plan.block * geometry.kernel_w // self.plan.rows)
        floats = geometry.kernel_h * panels * self.plan.outputs * self.plan.rows
        self.packed = aligned_zeros(geometry.group * blocks * floats)
        self.scratches = aligned_zeros((workers, self.plan.block * geometry.kernel_w * self.slab.plane + 16))
        self.lines = aligned_zeros((workers, self.plan.outputs * width))
        self.pack, self.run = (form(pair, 2 * geometry.multiply_adds) for pair in (pack_columns, bottom_gradient))

    def __call__(self, weight: np.ndarray, top_diff: np.ndarray, bottom_diff: np.ndarray) -> None:
        """Overwrite bottom_diff (N, C, H, W); weight is (O, C / group, KH, KW), top_diff (N, O, OH, OW)."""
        if top_diff.size == 0 or bottom_diff.size == 0:
            bottom_diff[...] = 0
            return
        self.pack(weight, self.plan, self.slab, self.packed)
        self.run(
            self.packed,
            top_diff,
            bottom_diff,
            self.plan,
            self.slab,
            self.starts,
            self.phases,
            self.columns,
            self.scratches,
            self.lines,
        )


def plan_bottom_gradient(geometry: Geometry, registers: Registers, slab: Slab, workers: int) -> BottomGradient:
    """Choose blocks of channels that fit the cache, evenly many for every worker where that is possible."""
    channels = geometry.group_channels
    block = max(1, min(channels, SLAB_FLOATS // (geometry.kernel_w * slab.plane)))
    blocks = -(-channels // block)
    images = geometry.num * geometry.group
    while images * blocks % workers and images * blocks < 4 * workers and blocks < channels:
        blocks += 1
    block = -(-channels // blocks)
    rows, vectors = best_tile(registers, block * geometry.kernel_w)
    return BottomGradient(
        registers,
        geometry.num,
        geometry.group,
        channels,
        geometry.group_outputs,
        max(1, geometry.out_height),
        max(1, geometry.out_width),
        geometry.kernel_h,
        block,
        rows,
        vectors,
    )
