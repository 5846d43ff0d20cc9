"""YoloDetectionOutput: the boxes that YOLO v2 has found. Source: yolo_detection_output_layer.cpp of MobileNet-YOLO."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.yolo import BOX, Found, YoloLayer, grid_boxes, sigmoid


@register_layer("YoloDetectionOutput")
class YoloDetectionOutputLayer(YoloLayer):
    """Decode the boxes of a map, or two, and keep the best that do not overlap, whatever their class.

    bottom[i]: (N, num_box * (5 + num_classes), H, W), one or two: of each box x, y, width, height, the score of an
        object and those of the classes, which a softmax makes of them. biases are in pixels of the map.
    top[0]: (1, 1, K, 7), a row a box, the best first: 0, class + 1, score, xmin, ymin, xmax, ymax as fractions of the
        image. If none is found (1, 1, N, 7) of -1, the first column being the image. Set-up gives (1, 1, 1, 7).

    A box is of its best class, and there if object * class >= confidence_threshold. Boxes of all images of the batch
    compete, so that only a batch of one makes sense, as in the fork.

    Raises LayerError without num_classes, for fewer biases than boxes, coords other than 4, and other channels.
    """

    fork = "MobileNet-YOLO"
    messages = ("yolo_detection_output_param",)
    message = "yolo_detection_output_param"
    not_read = {
        "yolo_detection_output_param.side": "the size of the map is that of the bottom",
        "yolo_detection_output_param.label_map_file": "boxes have the numbers of their classes, not the names",
    }
    formula = (
        "y = the boxes whose object * class is {yolo_detection_output_param.confidence_threshold:g} or more, without "
        "those that overlap a better one by {yolo_detection_output_param.nms_threshold:g} or more"
    )
    min_bottom_blobs = 1
    max_bottom_blobs = 2

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read the fields."""
        param = self.layer_param.yolo_detection_output_param
        self.classes, self.anchors = self.checked_classes(), param.num_box
        if not self.anchors:
            raise LayerError(f"{self.message}.num_box", 0, "use 1 or more")
        if param.coords != 4:
            raise LayerError(f"{self.message}.coords", param.coords, "a box has 4")
        self.biases = self.biases_of(param.biases, self.anchors)[: self.anchors]

    def found_in(self, index: int, values: Array, height: int, width: int) -> Found:
        """Return the boxes whose best class reaches the threshold."""
        logits = values[:, BOX:]
        shares = np.exp(logits - logits.max(1, keepdims=True, initial=-np.inf))
        shares /= shares.sum(1, keepdims=True)
        classes = shares.argmax(1)
        scores = sigmoid(values[:, BOX - 1]) * shares[np.arange(len(shares)), classes]
        places = np.flatnonzero(scores >= self.layer_param.yolo_detection_output_param.confidence_threshold)
        boxes = grid_boxes(values, self.biases / np.array([width, height], values.dtype), height, width)
        return Found(boxes[places], classes[places], scores[places])
