"""Steps: when a layer is reshaped, and how loss weights live in the diffs of tops."""

import numpy as np
import pytest

from caffelite.core.blob import Blob
from caffelite.core.errors import LayerError, NetError
from caffelite.core.layer import Layer
from caffelite.core.net.plan import Step, with_location
from caffelite.core.prototxt.lines import Lines, Place
from caffelite.proto.caffe_pb2 import LayerParameter


class Doubler(Layer):
    def __init__(self):
        super().__init__(LayerParameter(name="twice", type="Doubler"))
        self.reshapes = 0

    def reshape(self, bottom, top):
        self.reshapes += 1
        top[0].reshape_like(bottom[0])

    def forward(self, bottom, top):
        top[0].data[...] = 2 * bottom[0].data


@pytest.fixture
def step():
    step = Step(Doubler(), [Blob((2, 3))], [Blob()], loss_weights=[0.5])
    step.layer.reshape(step.bottom, step.top)
    step.note_shapes()
    return step


def test_a_layer_is_reshaped_only_when_a_bottom_changes_shape(step):
    for _ in range(3):
        step.forward()
    assert step.layer.reshapes == 1
    step.bottom[0].reshape(4, 3)
    step.forward()
    step.forward()
    assert step.layer.reshapes == 2
    step.layer.reshape_every_pass = True
    step.forward()
    step.forward()
    assert step.layer.reshapes == 4


def test_the_loss_is_the_weight_times_the_sum_of_a_top(step):
    step.bottom[0].data[...] = 1
    assert step.forward() == 0.5 * 12
    assert (step.top[0].diff == 0.5).all()


def test_the_weight_comes_back_when_the_tops_storage_grew_and_what_the_user_wrote_stays(step):
    step.top[0].diff[...] = 3
    step.forward()
    assert (step.top[0].diff == 3).all()
    step.bottom[0].reshape(1, 3)
    step.forward()
    assert (step.top[0].diff == 3).all()  # the same storage
    step.bottom[0].reshape(9, 3)
    step.forward()
    assert (step.top[0].diff == 0.5).all()


def test_errors_get_the_place_of_the_layer_once(step):
    step.layer.place = Place(Lines("net.prototxt", {"layer[1]": 4, "layer[1].bottom": 6}), "layer[1]")
    error = LayerError("bottom", "odd", "use an even one")
    for _ in range(2):
        assert str(with_location(error, step.layer.layer_param, step.layer.place)) == (
            'net.prototxt:6: layer "twice" (Doubler): bottom is odd; use an even one'
        )
    other = NetError("too large")
    for _ in range(2):
        assert (
            str(with_location(other, step.layer.layer_param, step.layer.place))
            == 'net.prototxt:4: layer "twice" (Doubler): too large'
        )
    np.testing.assert_equal(
        str(with_location(NetError("x"), step.layer.layer_param, None)), 'layer "twice" (Doubler): x'
    )
