import numpy as np
import pytest


@pytest.mark.parametrize("tiles", [[1, 2, 3], [2, 1, 1], [1, 1, 1]])
def test_tile(tiles, agrees):
    assert agrees([("Tile", ["x", "tiles"], ["y"], {})], (2, 3, 4), {"tiles": np.array(tiles)})


@pytest.mark.parametrize(("shape", "wanted"), [((1, 3, 1), [2, 3, 4]), ((3, 1), [2, 3, 5]), ((2, 3), [1, 1])])
def test_expand(shape, wanted, agrees):
    assert agrees([("Expand", ["x", "shape"], ["y"], {})], shape, {"shape": np.array(wanted)})
