"""Shapes, operations, bytes and times of a net; the numbers are those of OpenCV 4.14 for it."""

import cv2
import numpy as np
import pytest

from caffelite import cv2dnn

SHAPE = (1, 3, 8, 8)


@pytest.fixture(scope="module")
def files(tmp_path_factory, small):
    return small.write(tmp_path_factory.mktemp("statistics"))[:2]


@pytest.fixture
def net(files):
    return cv2dnn.readNetFromCaffe(*files)


def test_operations(net):
    each = [0, 3960, 72, 0, 432, 16, 108]
    assert [net.getFLOPS(i, SHAPE) for i in range(7)] == each
    assert net.getFLOPS(SHAPE) == net.getFLOPS([SHAPE]) == net.getFLOPS(netInputShape=SHAPE) == sum(each)
    assert net.getFLOPS(layerId=1, netInputShapes=[SHAPE]) == 3960


def test_bytes(net):
    each = [(0, 768), (224, 288), (0, 288), (0, 288), (592, 16), (0, 16), (0, 144)]
    assert [net.getMemoryConsumption(i, SHAPE) for i in range(7)] == each
    assert net.getMemoryConsumption(SHAPE) == (816, 1808)


def test_shapes(net):
    ids, ins, outs = net.getLayersShapes(SHAPE)
    assert ids.tolist() == list(range(7))
    assert [[shape.tolist() for shape in shapes] for shapes in outs[3:5]] == [[[1, 1, 6, 6]] * 2, [[1, 4]]]
    assert ins[1][0].tolist() == [1, 3, 8, 8]
    assert outs[1][0].dtype == np.int32
    assert net.getLayersShapes(netInputShapes=[(2, *SHAPE[1:])])[2][1][0].tolist() == [2, 2, 6, 6]
    for found in (net.getLayerShapes([SHAPE], 1), net.getLayerShapes([SHAPE], [5], 1)):  # OpenCV 4's and 5's
        assert [shapes[0].tolist() for shapes in found] == [[1, 3, 8, 8], [1, 2, 6, 6]]


def test_asking_changes_nothing(net):
    net.setInput(np.ones(SHAPE, np.float32))
    before = net.forward("prob")
    net.getLayersShapes((3, *SHAPE[1:]))
    np.testing.assert_array_equal(net.forward("prob"), before)


def test_a_maximum_pooling_at_the_end_has_a_mask():
    text = b'input: "x" layer { name: "p" type: "Pooling" bottom: "x" top: "p" pooling_param { kernel_size: 2 } }'
    net = cv2dnn.readNetFromCaffe(text)
    assert len(net.getLayersShapes((1, 1, 4, 4))[2][1]) == 2


def test_times(net):
    assert net.getPerfProfile()[0] == 0
    assert net.getPerfProfile()[1].tolist() == [0] * 6
    net.setInput(np.ones(SHAPE, np.float32))
    net.forward()
    ticks, each = net.getPerfProfile()
    assert 0 < ticks / cv2.getTickFrequency() < 60
    assert each.shape == (6,)
    assert (each > 0).all()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "give the shapes of the inputs"),
        ([1, 2, 3], "give the shapes of the inputs"),
        ([[SHAPE, SHAPE]], "2 shapes for the 1 inputs data"),
        ([5], "the shape of an input is like"),
        ([9, SHAPE], "there is no layer 9"),
        ([(1, 4, 8, 8)], 'layer "conv1"'),
    ],
)
def test_refuses(net, arguments, text):
    with pytest.raises(cv2.error, match=text):
        net.getFLOPS(*arguments)
