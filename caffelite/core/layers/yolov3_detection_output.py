"""Yolov3DetectionOutput: the boxes that YOLO v3 has found.

Source: yolov3_detection_output_layer.cpp of eric612/MobileNet-YOLO.
"""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.yolo import BOX, Found, YoloLayer, grid_boxes, sigmoid


@register_layer("Yolov3DetectionOutput")
class Yolov3DetectionOutputLayer(YoloLayer):
    """Decode the boxes of some maps, and keep the best of all that do not overlap, whatever their class.

    bottom[i]: (N, num_box * (5 + num_classes), H, W), for i < mask_group_num: of each box x, y, width, height, the
        score of an object and those of the classes. The image is W * anchors_scale[i] pixels wide, and
        H times that high.
    top[0]: (1, 1, K, 7), a row a box, the best first: 0, class + 1, score, xmin, ymin, xmax, ymax as fractions of the
        image. If none is found (1, 1, N, 7) of -1, the first column being the image. Set-up gives (1, 1, 1, 7).

    A box is there for each class with object * class > confidence_threshold. Boxes of all images of the batch compete,
    so that only a batch of one makes sense, as in the fork.

    Raises LayerError without num_classes, for numbers of bottoms, masks, scales and biases that do not go together, and
    for gaussian_box.
    """

    fork = "MobileNet-YOLO"
    messages = ("yolov3_detection_output_param",)
    message = "yolov3_detection_output_param"
    formula = (
        "y = the boxes whose object * class is above {yolov3_detection_output_param.confidence_threshold:g}, without "
        "those that overlap a better one by {yolov3_detection_output_param.nms_threshold:g} or more"
    )
    min_bottom_blobs = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read the fields."""
        param = self.layer_param.yolov3_detection_output_param
        self.classes, self.anchors = self.checked_classes(), param.num_box
        if param.gaussian_box:
            raise LayerError(f"{self.message}.gaussian_box", "true", "only plain boxes are known here; leave it out")
        if param.mask_group_num != len(bottom):
            raise LayerError(f"{self.message}.mask_group_num", param.mask_group_num, f"there are {len(bottom)} bottoms")
        if not self.anchors or len(param.mask) != self.anchors * len(bottom):
            raise LayerError(
                f"{self.message}.mask",
                f"given {len(param.mask)} times",
                f"num_box {self.anchors} and {len(bottom)} bottoms need {self.anchors * len(bottom)}, and 1 or more",
            )
        if len(param.anchors_scale) < len(bottom) or not all(param.anchors_scale):
            raise LayerError(
                f"{self.message}.anchors_scale",
                f"[{', '.join(map(str, param.anchors_scale))}]",
                "give pixels of the image for one of each bottom, as 32 and 16",
            )
        biases = self.biases_of(param.biases, max(param.mask) + 1)
        self.biases = biases[list(param.mask)].reshape(len(bottom), self.anchors, 2)

    def found_in(self, index: int, values: Array, height: int, width: int) -> Found:
        """Return a box for each class above the threshold."""
        param = self.layer_param.yolov3_detection_output_param
        scores = sigmoid(values[:, BOX:]) * sigmoid(values[:, BOX - 1 : BOX])
        size = np.array([width, height], values.dtype) * param.anchors_scale[index]
        places, classes = np.nonzero(scores > param.confidence_threshold)
        boxes = grid_boxes(values, self.biases[index] / size, height, width)
        return Found(boxes[places], classes, scores[places, classes])
