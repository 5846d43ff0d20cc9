"""What layers that compute a loss have in common. Source: src/caffe/layers/loss_layer.cpp."""

from __future__ import annotations

from typing import Any, ClassVar

from caffelite.core.errors import LayerError, UsageError
from caffelite.core.format import shape_string
from caffelite.core.layer import Blobs, Layer
from caffelite.proto import caffe_pb2


class LossLayer(Layer):
    """Base of the losses: two bottoms (prediction, label), one scalar top with loss weight 1, none for the label."""

    exact_num_bottom_blobs = 2
    exact_num_top_blobs: ClassVar[int | None] = 1
    auto_top_blobs = True
    divisor: float = 0.0  # what the last pass forward divided the sum of losses by, in layers that normalize it

    @classmethod
    def default_loss_weights(cls, layer_param: caffe_pb2.LayerParameter) -> list[float]:
        """Return 1 for the loss and 0 for further tops."""
        return [1.0] + [0.0] * (len(layer_param.top) - 1)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check that prediction and label have the same batch size; the loss is a scalar."""
        for index in (0, 1):
            if bottom[index].num_axes == 0:
                raise LayerError(f"bottom[{index}]", "a scalar", "predictions and labels need a batch axis")
        if bottom[0].shape[0] != bottom[1].shape[0]:
            raise LayerError(
                "bottom[1]",
                shape_string(bottom[1].shape),
                f"predictions and labels must be equally many: bottom[0] is {shape_string(bottom[0].shape)}",
            )
        top[0].reshape()

    def allow_force_backward(self, bottom_index: int) -> bool:
        """Labels get no gradient."""
        return bottom_index != 1

    def gradient_scale(self, top: Blobs) -> Any:
        """Return the loss weight over `divisor`; UsageError before the first pass forward, which finds the divisor."""
        if not self.divisor:
            raise UsageError("there is no loss yet, and so no gradient: run forward() before backward()")
        return self.loss_weight(top) / self.divisor

    def loss_weight(self, top: Blobs) -> Any:
        """Return what the gradient is multiplied by: the loss top's diff, as the net or the user left it."""
        return top[0].diff.flat[0]

    def refuse_label_gradient(self, propagate_down: list[bool]) -> None:
        """Raise LayerError if the gradient of the labels is asked for."""
        if propagate_down[1]:
            raise LayerError(
                "propagate_down[1]",
                "true",
                f"{self.type} cannot backpropagate to labels; write propagate_down: false for bottom 1, "
                "or feed labels from a layer without parameters",
            )
