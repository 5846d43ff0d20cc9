import numpy as np
import pytest

from caffelite.core.format import mean_abs, number, shape_string


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (1e-5, "1e-05"),
        (100000, "100000"),
        (1e6, "1e+06"),
        (2.302585093, "2.30259"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (0, "0"),
    ],
)
def test_numbers_are_printed_as_by_a_stream(value, text):
    assert number(value) == text


@pytest.mark.parametrize(("shape", "text"), [((2, 3), "2 3 (6)"), ((), "(1)"), ((4, 0), "4 0 (0)")])
def test_shapes_end_with_their_count(shape, text):
    assert shape_string(shape) == text


@pytest.mark.parametrize(("values", "text"), [([[-3, 2], [0, 1]], "1.5"), ([], "0")])
def test_mean_absolute_values(values, text):
    assert mean_abs(np.array(values, np.float32)) == text
