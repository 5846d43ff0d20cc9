"""Cross-entropy against numpy in float64."""

import numpy as np
import pytest

from caffelite.core.kernels import sigmoid_cross_entropy as kernels


@pytest.mark.parametrize("count", [1, 511, 513, 200_000])
@pytest.mark.parametrize("ignore_label", [None, 0, -2])
def test_equals_numpy(count, ignore_label, dtype):
    rng = np.random.default_rng(1)
    x, t = (5 * rng.normal(size=count)).astype(dtype), (2 * rng.normal(size=count)).astype(dtype)
    counts = np.ones(count, bool) if ignore_label is None else np.trunc(t) != ignore_label
    x64, t64 = x.astype(np.float64), t.astype(np.float64)
    terms = np.maximum(x64, 0) - x64 * t64 + np.log1p(np.exp(-abs(x64)))
    total, valid = kernels.loss_forward(x, t, ignore_label)
    assert valid == counts.sum()
    assert total == pytest.approx(terms[counts].sum(), rel=1e-5, abs=1e-5)
    diff = np.full_like(x, np.nan)
    kernels.loss_backward(x, t, ignore_label, 0.5, diff)
    np.testing.assert_allclose(diff, np.where(counts, (1 / (1 + np.exp(-x64)) - t64) / 2, 0), rtol=1e-5, atol=1e-6)


def test_extreme_scores(dtype):
    x, t = np.array([200, -200, np.inf, np.nan], dtype), np.array([1, 0, 0, 0], dtype)
    assert [kernels.loss_forward(x[i : i + 1], t[i : i + 1], None)[0] for i in range(3)] == [0, 0, np.inf]
    assert np.isnan(kernels.loss_forward(x, t, None)[0])
