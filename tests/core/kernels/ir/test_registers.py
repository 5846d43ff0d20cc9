"""Both forms of one kernel live side by side, in one process and on disk."""

import numpy as np
import pytest

from caffelite.core.kernels.convolution.choose import choose
from caffelite.core.kernels.convolution.geometry import Geometry
from caffelite.core.kernels.gemm import gemm
from caffelite.core.kernels.ir.registers import Narrow, Wide, registers_of_cpu
from caffelite.core.kernels.jit import numba_compat


@pytest.fixture
def product(tmp_path, monkeypatch):
    """The dot product of gemm as a new kernel whose machine code is kept in tmp_path."""
    monkeypatch.setattr(numba_compat, "cache_folder", lambda: tmp_path)
    return lambda: type(gemm._dot_product)(gemm._dot_product._function)


def run(product, registers):
    a, b = np.ones((3, 5), np.float32), np.ones((2, 5), np.float32)
    top = np.full((3, 2), np.nan, np.float32)
    product.serial(registers, a, b, gemm.NOTHING, top)
    assert (top == 5).all()


def test_each_form_has_a_file_of_its_own(product, tmp_path):
    for count, registers in enumerate((Wide(), Narrow()), 1):
        run(product(), registers)
        assert len(list(tmp_path.glob("*_dot_product*.nbc"))) == count
    again = product()
    for registers in (Narrow(), Wide()):
        run(again, registers)
    statistics = again.share.outer.stats
    assert sum(statistics.cache_hits.values()) == 2 and not statistics.cache_misses


def test_only_the_form_that_runs_is_compiled(product):
    kernel = product()
    run(kernel, registers_of_cpu())
    (signature,) = kernel.share.outer.signatures
    assert signature[0].instance_class is type(registers_of_cpu())


def test_tiles_suit_the_registers_that_are_given():
    geometry = Geometry(1, 2, 5, 5, 3, 1, 3, 3, 1, 1, 0, 0, 1, 1)
    assert choose("convolution_forward", np.float32, geometry).plan.registers == registers_of_cpu()
    for registers, rows in ((Wide(), 8), (Narrow(), 6)):
        assert choose("convolution_forward", np.float32, geometry, registers).plan.rows == rows
