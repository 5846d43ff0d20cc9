"""LSTMUnit: one time step of an LSTM without its linear maps. Source: src/caffe/layers/lstm_unit_layer.cpp."""

from __future__ import annotations

from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar, shape_string
from caffelite.core.kernels.lstm_unit import lstm_unit_backward, lstm_unit_forward
from caffelite.core.layer import Blobs, Layer, register_layer


@register_layer("LSTMUnit")
class LSTMUnitLayer(Layer):
    """Make cells and hidden values of one time step from the last cells and the inputs of the gates.

    bottom[0]: (1, N, D), the last cells c' of N streams.
    bottom[1]: (1, N, 4D), inputs of the gates i, f, o, g, D values each in this order.
    bottom[2]: (1, N), cont: 1 goes on with a stream, 0 begins a new one.
    top[0]: (1, N, D), cells c = cont * sigmoid(f) * c' + sigmoid(i) * tanh(g).
    top[1]: (1, N, D), hidden values h = sigmoid(o) * tanh(c).

    For cont other than 0 and 1 the gradient of f is Caffe's, sigmoid(f) being taken times cont: not the derivative.
    Raises LayerError for other shapes, and when asked for the gradient of cont.
    """

    messages = ()
    formula = (
        "c = cont * sigmoid(f) * c' + sigmoid(i) * tanh(g), h = sigmoid(o) * tanh(c), of "
        "{bottom[0].shape[2]} cells in {bottom[0].shape[1]} streams"
    )
    exact_num_bottom_blobs = 3
    exact_num_top_blobs = 2

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Make the blobs that backward needs."""
        self.gate, self.tanh_c = self.new_blob(), self.new_blob()

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check the bottoms and shape the tops."""
        shape = bottom[0].shape
        if len(shape) != 3 or shape[0] != 1:
            raise LayerError("bottom[0]", shape_or_scalar(shape), "the cells are one time step: (1, streams, cells)")
        streams, cells = shape[1:]
        for index, wanted in ((1, (1, streams, 4 * cells)), (2, (1, streams))):
            if bottom[index].shape != wanted:
                raise LayerError(
                    f"bottom[{index}]",
                    shape_or_scalar(bottom[index].shape),
                    f"cells of shape {shape_string(shape)} need {shape_string(wanted)}",
                )
        for blob in (*top, self.tanh_c):
            blob.reshape(*shape)
        self.gate.reshape_like(bottom[1])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill cells and hidden values."""
        lstm_unit_forward(
            bottom[0].data[0],
            bottom[1].data[0],
            bottom[2].data[0],
            self.gate.data[0],
            top[0].data[0],
            self.tanh_c.data[0],
            top[1].data[0],
        )

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the gradients of the last cells and of the gates' inputs: both, if one of them is asked for."""
        if propagate_down[2]:
            raise LayerError(
                "propagate_down[2]",
                "true",
                "Cannot backpropagate to sequence indicators; write propagate_down: false for bottom 2",
            )
        if propagate_down[0] or propagate_down[1]:
            lstm_unit_backward(
                bottom[0].data[0],
                self.gate.data[0],
                self.tanh_c.data[0],
                top[0].diff[0],
                top[1].diff[0],
                bottom[0].diff[0],
                bottom[1].diff[0],
            )

    def allow_force_backward(self, bottom_index: int) -> bool:
        """Sequence indicators get no gradient."""
        return bottom_index != 2
