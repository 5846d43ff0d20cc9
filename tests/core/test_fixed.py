import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from caffelite.core.blob import Blob
from caffelite.core.errors import UnknownNameError
from caffelite.core.fixed import ByBlob, ByLayer, FixedDict, ParamList, Params


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


@pytest.mark.parametrize(
    ("kind", "noun"),
    [(FixedDict, "blob"), (Params, "layer with parameters"), (ByBlob, "blob"), (ByLayer, "layer")],
)
def test_an_unknown_name_is_answered_with_a_near_one_or_some(kind, noun):
    given = kind([("conv1", 1), ("pool", 2)])
    with pytest.raises(UnknownNameError, match=f'^no {noun} "conv2"; did you mean "conv1"\\?$'):
        given["conv2"]
    with pytest.raises(KeyError, match=f'^no {noun} "x"; there are conv1, pool$'):
        given["x"]
    with pytest.raises(KeyError, match=f'^no {noun} "7"; there are a0, a1, a2, a3, a4, ...$'):
        kind((f"a{number}", number) for number in range(6))[7]
    with pytest.raises(KeyError, match=f'^no {noun} "x"$'):
        kind([])["x"]
    assert (given.get("x"), "x" in given, given["pool"]) == (None, False, 2)
