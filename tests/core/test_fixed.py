import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from caffelite.core.blob import Blob
from caffelite.core.fixed import FixedDict, ParamList, Params


def test_a_list_of_parameters_grows_and_keeps_its_blobs():
    blobs = [Blob((2,)), Blob((3,))]
    params = ParamList(blobs[:1], "ip")
    params.append(blobs[1])
    assert list(params) == blobs
    for index in (0, -1):
        with pytest.raises(TypeError, match=rf"write net\.params\['ip'\]\[{index}\]\.data\[\.\.\.\] = values"):
            params[index] = np.ones(2)
    with pytest.raises(TypeError, match="a parameter is filled, not replaced"):
        params[:] = []
    assert list(params) == blobs


@pytest.mark.parametrize("kind", [FixedDict, Params])
def test_a_dict_keeps_its_entries_in_order(kind):
    given = kind([("b", 1), ("a", 2)])
    assert list(given.items()) == [("b", 1), ("a", 2)]
    for change in (lambda: given.__setitem__("a", 3), lambda: given.update(a=3), lambda: given.setdefault("c", 3)):
        with pytest.raises(TypeError, match="a blob is filled, not replaced: write net"):
            change()
    assert dict(given) == {"b": 1, "a": 2}


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda given: given.copy(), lambda given: pickle.loads(pickle.dumps(given))]
)
def test_copies_are_plain(copied):
    made = copied(Params([("a", ParamList([Blob((2,))], "a"))]))
    assert type(made) is OrderedDict
    assert made["a"][0].shape == (2,)
    made["a"] = 1
