"""The mask: how many are kept, that key and place alone decide, that neighbours and keys have nothing in common."""

import numpy as np
import pytest

from caffelite.core.kernels import dropout as kernels

COUNT = 200_000


def kept(key, ratio=0.5, count=COUNT, dtype=np.float32):
    out = np.empty(count, dtype)
    kernels.dropout(np.ones(count, dtype), key, ratio, out)
    return out


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.75])
@pytest.mark.parametrize("key", [0, 1, 2**63 + 12345, 2**64 - 1])
def test_share_and_scale(key, ratio, dtype):
    out = kept(key, ratio, dtype=dtype)
    assert set(np.unique(out)) == {0, dtype(1 / (1 - ratio))}
    assert abs((out == 0).mean() - ratio) < 5 * np.sqrt(ratio * (1 - ratio) / COUNT)


def test_ratio_zero_keeps_everything(dtype):
    assert (kept(5, 0.0, dtype=dtype) == 1).all()


@pytest.mark.parametrize("ratio", [1 - 1e-10, 1 - 2**-53])
def test_a_ratio_nearer_to_one_than_32_bits_tell_drops_everything(ratio, dtype):
    assert (kept(5, ratio, dtype=dtype) == 0).all()


def test_same_key_same_mask_also_in_place_and_for_a_shorter_array(dtype):
    values = np.random.default_rng(0).standard_normal(COUNT).astype(dtype)
    same = values.copy()
    kernels.dropout(same, 99, 0.5, same)
    np.testing.assert_array_equal(same, values * kept(99, dtype=dtype))
    np.testing.assert_array_equal(kept(99, count=300), kept(99)[:300])  # serial and parallel form


@pytest.mark.parametrize("other", [1, 2, 2**32, 2**63])
def test_keys_are_independent(other):
    agree = ((kept(0) > 0) == (kept(other) > 0)).mean()
    assert abs(agree - 0.5) < 5 * 0.5 / np.sqrt(COUNT)


@pytest.mark.parametrize("distance", [1, 2, 3, 16, 64, 1024])
def test_neighbours_are_independent(distance):
    mask = kept(2**40 + 17) > 0
    agree = (mask[distance:] == mask[:-distance]).mean()
    assert abs(agree - 0.5) < 5 * 0.5 / np.sqrt(COUNT)


def test_what_is_dropped_is_zero_even_if_infinite():
    out = np.empty(1000, np.float32)
    kernels.dropout(np.full(1000, np.inf, np.float32), 3, 0.5, out)
    assert set(np.unique(out)) == {0, np.inf}
