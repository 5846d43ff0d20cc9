from math import sqrt

import numpy as np
import pytest
from google.protobuf import text_format

from caffelite.core import random
from caffelite.core.blob import Blob
from caffelite.core.errors import LayerError
from caffelite.core.fillers import fill
from caffelite.proto import caffe_pb2


def filled(shape, text, dtype=np.float32, seed=1701):
    blob = Blob(shape, dtype)
    fill(blob, text_format.Parse(text, caffe_pb2.FillerParameter()), random.generator(seed, "filler"))
    return blob.data


def test_no_filler_gives_zeros(dtype):
    assert not filled((3,), "", dtype).any()


def test_constant(dtype):
    assert (filled((2, 3, 4, 5), 'type: "constant" value: 10', dtype) == 10).all()


def test_the_same_generator_gives_the_same_values():
    first, second, other = (filled((5,), 'type: "gaussian"', seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert (first != other).all()


def test_uniform(dtype):
    data = filled((2, 3, 4, 50), 'type: "uniform" min: 1 max: 2', dtype)
    assert data.dtype == dtype
    assert 1 <= data.min() < 1.05
    assert 1.95 < data.max() <= 2


def test_uniform_between_equal_ends_is_constant():
    assert (filled((5,), 'type: "uniform" min: 2 max: 2') == 2).all()


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (6,), (3, 4), ()])
def test_positive_unitball_rows_sum_to_one(shape, dtype):
    data = filled(shape, 'type: "positive_unitball"', dtype)
    assert 0 <= data.min() <= data.max() <= 1
    np.testing.assert_allclose(data.reshape(shape[0] if shape else 1, -1).sum(axis=1), 1, atol=1e-3)


def test_gaussian(dtype):
    data = filled((10000,), 'type: "gaussian" mean: -2 std: 3', dtype)
    assert abs(data.mean() + 2) < 3.8 * 3 / 100
    assert abs(data.std() - 3) < 0.1
    assert abs((data > -2).mean() - 0.5) < 0.02


def test_sparse_gaussian_keeps_as_many_of_the_outputs_on_average():
    data = filled((50, 400), 'type: "gaussian" sparse: 5')
    assert abs(np.count_nonzero(data, axis=0).mean() - 5) < 0.4
    assert not filled((50, 4), 'type: "gaussian" sparse: 0').any()
    assert filled((50, 4), 'type: "gaussian" sparse: 50').all()


FANS = {"FAN_IN": 40, "FAN_OUT": 20000, "AVERAGE": 10020}


@pytest.mark.parametrize(("norm", "fan"), FANS.items())
def test_spread_of_xavier_and_msra(norm, fan):
    xavier = filled((1000, 2, 4, 5), f'type: "xavier" variance_norm: {norm}')
    msra = filled((1000, 2, 4, 5), f'type: "msra" variance_norm: {norm}')
    for data, std in ((xavier, sqrt(1 / fan)), (msra, sqrt(2 / fan))):
        assert abs(data.std() / std - 1) < 0.02
        assert abs(data.mean()) < 0.02 * std


@pytest.mark.parametrize(
    ("shape", "bounds"),
    [
        ((64, 32, 3, 3), [0.1020621, 0.0721688, 0.0833333]),
        ((10, 500), [0.0774597, 0.5477226, 0.1084652]),
        ((2000,), [1.7320508, sqrt(3 / 2000), sqrt(3 / 1000.5)]),
    ],
)
def test_bounds_of_xavier(shape, bounds):
    for norm, bound in zip(FANS, bounds, strict=True):
        data = filled(shape, f'type: "xavier" variance_norm: {norm}')
        assert 0.99 * bound < abs(data).max() <= bound * (1 + 1e-6)


def test_deviation_of_msra():
    for norm, std in zip(FANS, [0.0833333, 0.0589256, 0.0680414], strict=True):
        assert abs(filled((64, 32, 3, 3), f'type: "msra" variance_norm: {norm}').std() / std - 1) < 0.02


FACTORS = {
    1: [1],
    2: [1 / 2, 1 / 2],
    3: [1 / 2, 1, 1 / 2],
    4: [1 / 4, 3 / 4, 3 / 4, 1 / 4],
    5: [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3],
    6: [1 / 6, 1 / 2, 5 / 6, 5 / 6, 1 / 2, 1 / 6],
    7: [1 / 4, 1 / 2, 3 / 4, 1, 3 / 4, 1 / 2, 1 / 4],
}


@pytest.mark.parametrize(("kernel", "factors"), FACTORS.items())
def test_bilinear(kernel, factors, dtype):
    data = filled((3, 2, kernel, kernel), 'type: "bilinear"', dtype)
    np.testing.assert_allclose(data, np.broadcast_to(np.outer(factors, factors), data.shape), rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "text", "message"),
    [
        ((4,), 'type: "Xavier"', r'^filler\.type is "Xavier"; Unknown filler name: did you mean "xavier"\?$'),
        ((4,), 'type: "orthogonal"', "Unknown filler name: use one of bilinear, constant, .*, xavier$"),
        ((4, 4, 3, 5), 'type: "bilinear"', r'"bilinear"; it needs a square kernel and 4 axes, not 4 4 3 5 \(240\)'),
        ((4, 3, 3), 'type: "bilinear"', r"it needs a square kernel and 4 axes, not 4 3 3 \(36\)"),
        ((10, 5), 'type: "uniform" sparse: 3', r"^filler\.sparse is 3; Sparsity not supported by this Filler"),
        (
            (10, 5),
            'type: "gaussian" sparse: 11',
            r"sparse is 11; it is a number of non-zero weights: 0 to 10, or -1 for all",
        ),
        ((10, 5), 'type: "gaussian" sparse: -2', r"sparse is -2"),
        ((10, 5), 'type: "gaussian" std: 0', r"std is 0.0; a gaussian filler needs more than 0"),
        ((10, 5), 'type: "gaussian" std: nan', r"^filler\.std is nan"),
        ((4,), 'type: "uniform" min: 1 max: 0', r"min is 1.0; it must not be above max, which is 0.0"),
        ((), 'type: "xavier"', r"a scalar has no fan-in; use constant or gaussian"),
        ((), 'type: "msra"', r"a scalar has no fan-in; use constant or gaussian"),
        ((0, 5), "", r"blob is 0 5 \(0\); a parameter needs at least one element"),
    ],
)
def test_refuses(shape, text, message):
    with pytest.raises(LayerError, match=message):
        filled(shape, text)
