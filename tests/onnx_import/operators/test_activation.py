import numpy as np
import pytest

SHAPE = (2, 3, 6, 5)


@pytest.mark.parametrize("shape", [(), (1,), (3, 1, 1), (1, 1, 1, 1)])
def test_slopes_are_stored_as_the_layer_has_them(shape, agrees):
    slope = np.random.default_rng(1).uniform(0.1, 0.9, shape).astype(np.float32)
    assert agrees([("PRelu", ["x", "slope"], ["y"], {})], SHAPE, {"slope": slope}) == ["Input", "PReLU"]
