import numpy as np
import pytest


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), (2, 1, 3, 4)])
@pytest.mark.parametrize("weights", [(4, 5), (4,), (4, 1)])
def test_mat_mul(weights, shape, agrees):
    matrix = np.random.default_rng(1).standard_normal(weights).astype(np.float32)
    assert agrees([("MatMul", ["x", "w"], ["y"], {})], shape, {"w": matrix})
