"""The loss of probabilities and a matrix against numpy in float64."""

import numpy as np
import pytest

from caffelite.core.kernels import infogain as kernels


@pytest.mark.parametrize("shape", [(64, 3, 1), (1, 5, 1300), (7, 3, 100), (3, 2, 20_000), (0, 2, 1)])
def test_equals_numpy(shape, dtype):
    rng = np.random.default_rng(1)
    prob, matrix = rng.uniform(0, 1, shape).astype(dtype), rng.uniform(0, 1, (shape[1],) * 2).astype(dtype)
    prob[prob < 0.1] = 0
    labels = rng.integers(-1, shape[1], shape[0] * shape[2])
    rows = np.where(labels[:, np.newaxis] >= 0, matrix[labels], 0)
    flat = prob.transpose(0, 2, 1).reshape(-1, shape[1])
    want = -(rows * np.log(np.maximum(flat, 1e-20))).sum()
    assert kernels.infogain_forward(prob, labels, matrix) == pytest.approx(want, rel=1e-5)
    diff = np.full_like(prob, np.nan)
    kernels.infogain_backward(prob, labels, matrix, 2, diff)
    want = (flat * rows.sum(axis=1, keepdims=True) - rows) * 2
    np.testing.assert_allclose(diff.transpose(0, 2, 1).reshape(-1, shape[1]), want, rtol=1e-5, atol=1e-6)
