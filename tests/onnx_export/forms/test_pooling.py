import pytest

from caffelite.core.errors import LayerError

INPUT = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 1 dim: 6 dim: 6 } } }\n'
POOL = 'layer { name: "p" type: "Pooling" bottom: "x" top: "y" %s pooling_param { %s } }\n'


def test_a_mean_of_nothing_is_refused(run_of):
    run = run_of(INPUT + POOL % ("", "pool: AVE kernel_size: 1 stride: 2"))
    with pytest.raises(LayerError, match="pooling_param.pool is AVE; .* a window lies beyond the edge"):
        run.export()


def test_places_in_an_extended_image_are_refused(run_of):
    run = run_of(INPUT + POOL % ('top: "places"', "kernel_size: 2 stride: 3"))
    with pytest.raises(LayerError, match="give windows that reach beyond the edge no top for the places"):
        run.export()


def test_stride_one_has_nothing_to_round(run_of):
    (node,) = run_of(INPUT + POOL % ("", "kernel_size: 3 pad: 1")).export().graph.node
    attributes = {attribute.name: attribute for attribute in node.attribute}
    assert attributes["ceil_mode"].i == 0
    assert list(attributes["pads"].ints) == [1, 1, 1, 1]
