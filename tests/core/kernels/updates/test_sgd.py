import numpy as np
import pytest

from caffelite.core.kernels.updates.sgd import PIECE, cut, sgd_update, sums_of_squares


def test_ranges_are_cut_into_pieces_that_cover_them():
    pieces = cut([0, 2 * PIECE], [PIECE + 5, 3])
    assert pieces.tolist() == [[0, PIECE, 0], [PIECE, PIECE + 5, 0], [2 * PIECE, 2 * PIECE + 3, 1]]
    assert cut([], []).shape == (0, 3)


@pytest.mark.parametrize("run", [sgd_update, sgd_update.serial], ids=["parallel", "serial"])
@pytest.mark.parametrize("l1", [False, True])
def test_one_step(dtype, l1, run):
    counts = [2 * PIECE + 7, 40]
    offsets = [0, 2 * PIECE + 16]
    size = offsets[1] + counts[1] + 8
    rng = np.random.Generator(np.random.Philox(key=1))
    data, diff, history = (rng.standard_normal(size).astype(dtype) for _ in range(3))
    data[3] = 0
    rates, decays = np.array([0.1, 0.2], dtype), np.array([0.5, 0], dtype)
    expected = {"data": data.copy(), "diff": diff.copy(), "history": history.copy()}
    for offset, count, rate, decay in zip(offsets, counts, rates, decays, strict=True):
        part = slice(offset, offset + count)
        pull = np.sign(data[part]) if l1 else data[part]
        step = dtype(0.9) * history[part] + rate * (dtype(0.25) * diff[part] + decay * pull)
        expected["history"][part] = expected["diff"][part] = step
        expected["data"][part] = data[part] - step
    pieces = cut(offsets, counts)
    sums = np.empty(len(pieces))
    run(data, diff, history, pieces, sums, rates, decays, dtype(0.9), l1, dtype(0.25))
    squares = [np.square(data[start:stop].astype(np.float64)).sum() for start, stop, _ in pieces]
    np.testing.assert_allclose(sums, squares, rtol=1e-4)
    for name, values in (("data", data), ("diff", diff), ("history", history)):
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_infinite_weights_without_decay_stay_infinite():
    data, diff, history = np.array([np.inf], np.float32), np.ones(1, np.float32), np.zeros(1, np.float32)
    one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
    sums = np.empty(1)
    sgd_update.serial(data, diff, history, cut([0], [1]), sums, one, zero, np.float32(0), False, np.float32(1))
    assert data[0] == np.inf
    assert not np.isfinite(sums[0])


def test_sum_of_squares_does_not_depend_on_threads(dtype):
    values = np.random.Generator(np.random.Philox(key=2)).standard_normal(5 * PIECE + 3).astype(dtype)
    pieces = cut([0], [values.size])
    parallel, serial = np.empty(len(pieces)), np.empty(len(pieces))
    sums_of_squares(values, pieces, parallel)
    sums_of_squares.serial(values, pieces, serial)
    np.testing.assert_array_equal(parallel, serial)
    assert parallel.sum() == pytest.approx((values.astype(np.float64) ** 2).sum(), rel=1e-5)
