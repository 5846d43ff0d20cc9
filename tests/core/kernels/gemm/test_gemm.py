"""Products against float64, for sizes that leave every kind of edge."""

import numpy as np
import pytest

from caffelite.core.kernels.gemm import gemm

SIZES = [
    (1, 1, 1),
    (1, 800, 500),
    (2, 15, 3),
    (3, 16, 49),
    (4, 17, 6),
    (5, 31, 48),
    (8, 64, 47),
    (9, 65, 97),
    (33, 130, 7),
    (64, 500, 10),
    (17, 2100, 13),
    (300, 3, 5),
    (70, 300, 90),
]


def framed(values, margin=3):
    """Copy `values` into the middle of NaNs, off any aligned address: what lies outside must not be used or changed."""
    frame = np.full(values.size + 2 * margin, np.nan, np.float32)
    inside = frame[margin : margin + values.size].reshape(values.shape)
    inside[...] = values
    return frame, inside


def assert_frame_untouched(frame, margin=3):
    assert np.isnan(frame[:margin]).all() and np.isnan(frame[-margin:]).all()


def assert_near(got, want):
    assert np.abs(got - want).max() <= 2e-6 * np.abs(want).max()


@pytest.fixture(params=SIZES, ids=str)
def operands(request):
    batch, inputs, outputs = request.param
    generator = np.random.default_rng(0)
    return (
        generator.standard_normal((batch, inputs), np.float32),
        generator.standard_normal((outputs, inputs), np.float32),
        generator.standard_normal(outputs, np.float32),
        generator.standard_normal((batch, outputs), np.float32),
    )


@pytest.fixture(autouse=True)
def tiles(registers, monkeypatch):
    """Every test runs with the tiles of either registers."""
    monkeypatch.setattr(gemm, "registers_of_cpu", lambda: registers)


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("bias_term", [False, True])
def test_forward(operands, transpose, bias_term):
    bottom, weight, bias, top_diff = operands
    frame, top = framed(np.full(top_diff.shape, np.nan))
    stored = framed(weight.T if transpose else weight)[1]
    gemm.inner_product_forward(framed(bottom)[1], stored, framed(bias)[1] if bias_term else None, transpose, top)
    assert_near(top, bottom.astype(np.float64) @ weight.T + bias * bias_term)
    assert_frame_untouched(frame)


@pytest.mark.parametrize("transpose", [False, True])
def test_weight_diff_is_added(operands, transpose):
    bottom, weight, _, top_diff = operands
    frame, weight_diff = framed(weight.T if transpose else weight)
    gemm.inner_product_weight_diff(framed(bottom)[1], framed(top_diff)[1], transpose, weight_diff)
    want = weight + top_diff.astype(np.float64).T @ bottom
    assert_near(weight_diff, want.T if transpose else want)
    assert_frame_untouched(frame)


@pytest.mark.parametrize("transpose", [False, True])
def test_bottom_diff_is_overwritten(operands, transpose):
    bottom, weight, _, top_diff = operands
    frame, bottom_diff = framed(np.full(bottom.shape, np.nan))
    stored = framed(weight.T if transpose else weight)[1]
    gemm.inner_product_bottom_diff(framed(top_diff)[1], stored, transpose, bottom_diff)
    assert_near(bottom_diff, top_diff.astype(np.float64) @ weight)
    assert_frame_untouched(frame)


def test_bias_diff_is_added(operands):
    _, _, bias, top_diff = operands
    bias_diff = bias.copy()
    gemm.inner_product_bias_diff(top_diff, bias_diff)
    assert_near(bias_diff, bias + top_diff.sum(axis=0, dtype=np.float64))


@pytest.mark.parametrize("shape", [(0, 5, 4), (3, 0, 4), (3, 5, 0)], ids=str)
def test_empty_sides(shape):
    batch, inputs, outputs = shape
    bottom, weight = np.ones((batch, inputs), np.float32), np.ones((outputs, inputs), np.float32)
    bias, top = np.full(outputs, 2, np.float32), np.full((batch, outputs), np.nan, np.float32)
    gemm.inner_product_forward(bottom, weight, bias, False, top)
    assert (top == inputs + 2).all()
    gemm.inner_product_weight_diff(bottom, top, False, weight)
    assert (weight == 1 + batch * (inputs + 2)).all()
    gemm.inner_product_bottom_diff(top, weight, False, bottom)
    assert (bottom == outputs * (inputs + 2) * (1 + batch * (inputs + 2))).all()


def test_infinity_stays_in_its_row():
    bottom, weight = np.ones((6, 40), np.float32), np.ones((9, 40), np.float32)
    bottom[2, 39] = np.inf
    top = np.empty((6, 9), np.float32)
    gemm.inner_product_forward(bottom, weight, None, False, top)
    assert np.isinf(top[2]).all() and (np.delete(top, 2, axis=0) == 40).all()


def shared_out(product, workers):
    """Do the shares of so many workers, one after the other."""
    return lambda *args: [product.share(*args, worker, workers) for worker in range(workers)]


def test_any_number_of_threads_gives_the_same_bits(monkeypatch):
    generator = np.random.default_rng(1)
    a, b = generator.standard_normal((50, 700), np.float32), generator.standard_normal((90, 700), np.float32)
    results = []
    for workers in (1, 2, 5):
        monkeypatch.setattr(gemm, "_choose", lambda product, *_, workers=workers: shared_out(product, workers))
        c = np.empty((50, 90), np.float32)
        gemm.multiply_nt(a, b, c)
        turned = np.empty((700, 700), np.float32)
        gemm.multiply_tn(a, a, turned)
        results.append((c, turned))
    for c, turned in results[1:]:
        np.testing.assert_array_equal(c, results[0][0])
        np.testing.assert_array_equal(turned, results[0][1])
