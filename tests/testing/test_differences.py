import numpy as np

from caffelite.testing.differences import differences


def test_the_slope_of_each_number():
    values = np.array([[1.0, -2.0], [0.5, 3.0]])
    kept = values.copy()
    np.testing.assert_allclose(differences(lambda: (values**2).sum(), values), 2 * kept, rtol=1e-8)
    np.testing.assert_array_equal(values, kept)
