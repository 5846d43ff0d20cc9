import math

import numpy as np
import pytest

from caffelite.core.figures import BLOCK, HEAD, figures_of


def test_by_hand():
    found = figures_of(np.array([[0, 1], [-2, 5]], np.float32))
    assert found == (1, math.sqrt((1 + 0 + 9 + 16) / 4), -2, 5, 0.25)
    assert found.cells() == ["1", "2.55", "-2", "5", "25.0%"]
    assert found.text() == "-2 to 5, mean 1, std 2.55, 25.0% zeros"
    assert len(HEAD) == len(found)


def test_many_values_far_from_0():
    values = np.random.default_rng(1).normal(1e4, 1e-1, 2 * BLOCK + 17).astype(np.float32)
    found = figures_of(values)
    assert found.mean == pytest.approx(values.astype(np.float64).mean(), rel=1e-12)
    assert found.std == pytest.approx(values.astype(np.float64).std(), rel=1e-9)
    assert "zeros" not in found.text()


def test_of_nothing_and_of_nan():
    assert all(map(math.isnan, figures_of(np.empty((0, 3)))))
    assert figures_of(np.empty(0)).cells() == ["nan", "nan", "nan", "nan", "-"]
    found = figures_of(np.array([0, math.nan]))
    assert math.isnan(found.mean) and math.isnan(found.largest) and found.zeros == 0.5
