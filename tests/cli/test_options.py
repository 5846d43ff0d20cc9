import pytest

from caffelite.cli.command import Arguments
from caffelite.cli.options import SHAPE, shapes
from caffelite.core.errors import UsageError


def shapes_of(text):
    return shapes(Arguments({SHAPE: text}, []))


def test_shapes():
    assert shapes_of("") == {}
    assert shapes_of("data=64,3,224,224 label=64") == {"data": (64, 3, 224, 224), "label": (64,)}
    assert shapes_of("a=b=2") == {"a=b": (2,)}


@pytest.mark.parametrize("text", ["data", "=1,2", "data=1,,2", "data=1,-2", "data=", "data=2x3", "data=²"])
def test_refuses_what_is_no_shape(text):
    with pytest.raises(UsageError, match=rf'--shape has "{text}"; write it as .*=64,3,224,224'):
        shapes_of(text)
