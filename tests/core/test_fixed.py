import copy
import pickle
from collections import OrderedDict

import pytest

from caffelite.core.blob import Blob
from caffelite.core.errors import UnknownNameError
from caffelite.core.fixed import ByBlob, ByLayer, FixedDict, Params, fixed_property
from caffelite.core.vectors import BlobVec


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
    made = copied(Params([("a", BlobVec([Blob((2,))], "a"))]))
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


def test_a_fixed_property_is_computed_once_and_stays():
    class Thing:
        @fixed_property
        def names(self):
            return ["a"]

    thing = Thing()
    thing.names.append("b")
    assert thing.names is thing.names and thing.names == ["a", "b"]
    with pytest.raises(AttributeError, match="^names of a Thing cannot be replaced$"):
        thing.names = []
    assert Thing().names == ["a"]
