import numpy as np
import pytest

import caffelite
from caffelite.core.errors import LayerError
from caffelite.core.layers.relu import ReLULayer
from caffelite.core.user_layers import Noting, check_shaped, checked_state, described, is_ours
from caffelite.testing import blob_of, layer_from


class OfAUser(caffelite.Layer):
    pass


def test_classes_of_this_package_are_ours():
    assert is_ours(ReLULayer) and not is_ours(OfAUser)
    assert described(OfAUser).endswith("test_user_layers.OfAUser")


def test_an_error_of_ours_gets_no_note():
    with pytest.raises(ValueError, match="x") as caught, Noting(layer_from('type: "ReLU"', np.float32), "forward"):
        raise ValueError("x")
    assert not hasattr(caught.value, "__notes__")


def test_a_state_is_made_of_numbers_texts_and_arrays():
    state = {"a": 1, "b": "text", "c": np.arange(3), "d": [1.5, 2]}
    assert checked_state(state, "m.C") == state


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (5, r"m.C.get_state\(\) is 5; return a dict"),
        ({3: 4}, r"m.C.get_state\(\) is {3: 4}; return a dict"),
        ({"a": {}}, r"m.C.get_state\(\)\['a'\] is dict; a snapshot holds"),
        ({"a": [[1], [1, 2]]}, r"m.C.get_state\(\)\['a'\] is list; a snapshot holds"),
    ],
)
def test_another_state_is_refused(state, said):
    with pytest.raises(LayerError, match=said):
        checked_state(state, "m.C")


def test_a_top_without_a_shape_is_told_with_the_class_to_change():
    check_shaped([blob_of(np.zeros((2, 3)))], "m.C")
    with pytest.raises(LayerError, match=r"top\[1\] is without a shape; call top\[1\].reshape"):
        check_shaped([blob_of(np.zeros((2, 3))), caffelite.Blob()], "m.C")
