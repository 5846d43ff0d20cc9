import subprocess
import sys

import pytest

from caffelite.core.kernels.convolution.geometry import Geometry


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pad", "dilation", "out"),
    [(28, 5, 1, 0, 1, 24), (224, 7, 2, 3, 1, 112), (7, 3, 1, 2, 2, 7), (3, 4, 2, 0, 1, 1), (3, 4, 1, 0, 1, 0)],
)
def test_output_size(size, kernel, stride, pad, dilation, out):
    g = Geometry(1, 1, size, 99, 1, 1, kernel, 1, stride, 1, pad, 0, dilation, 1)
    assert g.out_height == out
    g = Geometry(1, 1, 99, size, 1, 1, 1, kernel, 1, stride, 0, pad, 1, dilation)
    assert g.out_width == out


def test_multiply_adds():
    assert Geometry(64, 20, 12, 12, 50, 1, 5, 5, 1, 1, 0, 0, 1, 1).multiply_adds == 64 * 50 * 8 * 8 * 20 * 25


def test_needs_no_numba():
    code = "import sys, caffelite.core.kernels.convolution.geometry; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
