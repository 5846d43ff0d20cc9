import pytest

from caffelite.core.blob import Blob
from caffelite.core.errors import LayerError
from caffelite.core.layers.shared.loss import LossLayer
from caffelite.proto.caffe_pb2 import LayerParameter


class Distance(LossLayer):
    type = "Distance"


def test_a_loss_is_a_scalar_of_weight_one():
    layer = Distance(LayerParameter(top=["loss", "extra"]))
    top = Blob()
    layer.reshape([Blob((4, 3)), Blob((4,))], [top])
    assert (top.shape, top.count) == ((), 1)
    assert layer.default_loss_weights(layer.layer_param) == [1.0, 0.0]
    assert [layer.allow_force_backward(index) for index in (0, 1)] == [True, False]
    top.diff[...] = 0.5
    assert layer.loss_weight([top]) == 0.5


def test_a_loss_refuses_unequal_batches_and_label_gradients():
    layer = Distance(LayerParameter())
    with pytest.raises(
        LayerError, match=r"bottom\[1\] is 5 \(5\); predictions and labels must be equally many: .* 4 3 \(12\)"
    ):
        layer.reshape([Blob((4, 3)), Blob((5,))], [Blob()])
    with pytest.raises(LayerError, match=r"bottom\[1\] is a scalar; predictions and labels need a batch axis"):
        layer.reshape([Blob((4, 3)), Blob(())], [Blob()])
    with pytest.raises(LayerError, match=r"propagate_down\[1\] is true; Distance cannot backpropagate to labels"):
        layer.refuse_label_gradient([True, True])
    layer.refuse_label_gradient([True, False])
