"""1x1 convolution of stride 1, weight gradient: sums over all pixels of one side's channels times the other's.

The side with fewer channels becomes lanes, by transposing in registers; the other is read from its planes, a
float at a time for all lanes. Workers share samples out where the weights are small, and have sums of their own; else
channels of the other side.
"""

from typing import Any, NamedTuple

import numpy as np

from caffelite.core.kernels.convolution.direct.slab import odd_lines
from caffelite.core.kernels.convolution.geometry import Geometry
from caffelite.core.kernels.gemm.products import product_rows, run_product
from caffelite.core.kernels.ir.operands import Matrix, RowMajor
from caffelite.core.kernels.ir.pointers import own_code, pointer, shift
from caffelite.core.kernels.ir.registers import Registers
from caffelite.core.kernels.ir.transposes import from_lanes, to_lanes
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.jit.threads import thread_count
from caffelite.core.kernels.scratch import scratch
from caffelite.core.kernels.sharing import form, signed_share_of

TRANSPOSED_FLOATS = 100_000  # of a worker, so that they stay in its L2 cache
SUM_PIXELS = 384  # pixels that a tile sums up at once
SUM_FLOATS = 100_000  # up to which a worker has sums of its own


class Gradient(NamedTuple):
    """Sizes of a weight gradient, for each group."""

    registers: Registers
    num: int
    group: int
    rows: int  # channels of the side with more channels
    lanes: int  # of the other side
    width: int  # lanes, in whole tiles
    tile_rows: int
    vectors: int  # of a tile
    pixels: int  # of one image
    block: int  # pixels that are transposed at once
    by_sample: int  # 1: workers share samples out, 0: rows
    across: int  # 1: lanes are outputs, 0: lanes are channels


@kernel
def add_image(
    wide: Any, narrow: Any, plan: Gradient, r0: int, r1: int, places: Any, transposed: Any, sums: Any, more: int
) -> None:
    """sums[row, lane] = or += wide[row, pixel] x narrow[lane, pixel], rows r0 to r1, of one group of one sample."""
    own_code()
    height, step = plan.tile_rows, plan.vectors * 16
    for q0 in range(0, plan.pixels, plan.block):
        count = min(plan.block, plan.pixels - q0)
        for lane in range(0, plan.lanes, 16):
            source = shift(narrow, lane * plan.pixels + q0)
            to_lanes(source, plan.pixels, min(16, plan.lanes - lane), count, shift(transposed, lane), places)
        for q in range(0, count, SUM_PIXELS):
            size = min(SUM_PIXELS, count - q)
            for lane in range(0, plan.width, step):
                b = RowMajor(shift(transposed, q * plan.width + lane), plan.width)
                for row in range(r0, r1, height):
                    a = Matrix(shift(wide, row * plan.pixels + q0 + q), plan.pixels, 1)
                    c = RowMajor(shift(sums, row * plan.width + lane), plan.width)
                    run_product(plan.registers, plan.vectors, a, b, size, c, min(height, r1 - row), more + q0 + q)


@kernel
def add_sums(sums: Any, plan: Gradient, g: int, r0: int, r1: int, weight_diff: np.ndarray, places: Any) -> None:
    """Add rows r0 to r1 of one group's sums to weight_diff."""
    own_code()
    target = pointer(weight_diff, g * plan.rows * plan.lanes)
    if plan.across:
        for row in range(r0, r1, 16):
            for lane in range(0, plan.lanes, 16):
                place = shift(target, lane * plan.rows + row)
                source = shift(sums, row * plan.width + lane)
                from_lanes(1, source, places, min(16, r1 - row), place, plan.rows, min(16, plan.lanes - lane))
    else:
        for row in range(r0, r1):
            for lane in range(plan.lanes):
                target[row * plan.lanes + lane] += sums[row * plan.width + lane]


@parallel_kernel
def gradient(
    wide: np.ndarray,
    narrow: np.ndarray,
    plan: Gradient,
    places: np.ndarray,
    transposed: np.ndarray,
    sums: np.ndarray,
    worker: int,
    workers: int,
) -> None:
    """Fill sums from wide (num, group * rows, pixels) and narrow (num, group * lanes, pixels).

    transposed has a row a share, sums a row a share and group if samples are shared out, else a row a group.
    """
    shares, rows = transposed.shape[0], plan.rows
    for share in range(worker, shares, workers):
        scratch = pointer(transposed, share * transposed.shape[1])
        n0, n1, r0, r1, own = 0, plan.num, 0, rows, 0
        if plan.by_sample:
            n0, n1 = signed_share_of(plan.num, share, shares)
            own = share * plan.group
        else:
            r0, r1 = signed_share_of(rows, share, shares)
        for g in range(plan.group):
            total = pointer(sums, (own + g) * sums.shape[1])
            for n in range(n0, n1):
                a = pointer(wide, (n * plan.group + g) * rows * plan.pixels)
                b = pointer(narrow, (n * plan.group + g) * plan.lanes * plan.pixels)
                add_image(a, b, plan, r0, r1, pointer(places, 0), scratch, total, n - n0)


@parallel_kernel
def add_all_sums(
    sums: np.ndarray, plan: Gradient, weight_diff: np.ndarray, places: np.ndarray, worker: int, workers: int
) -> None:
    """Add the sums of all shares to weight_diff."""
    r0, r1 = signed_share_of(plan.rows, worker, workers)
    for g in range(plan.group):
        for row in range(g, sums.shape[0], plan.group):
            add_sums(pointer(sums, row * sums.shape[1]), plan, g, r0, r1, weight_diff, pointer(places, 0))


class PointwiseWeightGradient:
    """Weight gradient of a 1x1 convolution of stride 1."""

    def __init__(self, geometry: Geometry, registers: Registers) -> None:
        workers = thread_count()
        self.plan = plan_gradient(geometry, registers, workers)
        plan = self.plan
        self.places = np.arange(plan.block + 16, dtype=np.int32) * plan.width
        copies = workers if plan.by_sample else 1
        self.run, self.add = (form(pair, 2 * geometry.multiply_adds) for pair in (gradient, add_all_sums))
        self.scratch_shapes = (
            ("pixels", workers, plan.block * plan.width),
            ("products", copies * plan.group, odd_lines((plan.rows + 16) * plan.width)),
        )

    def __call__(self, top_diff: np.ndarray, bottom: np.ndarray, weight_diff: np.ndarray) -> None:
        """Add to weight_diff (O, C / group, 1, 1); top_diff is (N, O, H, W), bottom (N, C, H, W)."""
        if top_diff.size:
            sides = (bottom, top_diff) if self.plan.across else (top_diff, bottom)
            transposed, sums = (scratch(*sizes) for sizes in self.scratch_shapes)
            self.run(*sides, self.plan, self.places, transposed, sums)
            self.add(sums, self.plan, weight_diff, self.places)


def plan_gradient(geometry: Geometry, registers: Registers, workers: int) -> Gradient:
    """Choose which side becomes lanes, how the work is shared out, and the sizes of blocks."""
    across = geometry.group_outputs < geometry.group_channels
    lanes, rows = sorted((geometry.group_outputs, geometry.group_channels))
    whole = -(-lanes // 16)
    vectors = min(range(min(whole, 2), 5), key=lambda v: (-(-whole // v) * v, -v))
    width = -(-whole // vectors) * vectors * 16
    pixels = geometry.height * geometry.width
    block = min(pixels, max(SUM_PIXELS, TRANSPOSED_FLOATS // width // SUM_PIXELS * SUM_PIXELS))
    by_sample = geometry.num > 0 and geometry.num % workers == 0 and geometry.group * rows * width <= SUM_FLOATS
    return Gradient(
        registers,
        geometry.num,
        geometry.group,
        rows,
        lanes,
        width,
        product_rows(registers, vectors),
        vectors,
        pixels,
        block,
        int(by_sample),
        int(across),
    )
