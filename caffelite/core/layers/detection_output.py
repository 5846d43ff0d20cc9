"""DetectionOutput: the boxes that a single-shot detector has found. Source: detection_output_layer.cpp of SSD.

The bottoms that RefineDet adds are those of detection_output_layer.cpp of sfzhang15/RefineDet.
"""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.kernels.nms import kept_boxes
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.box_coding import decoded
from caffelite.core.layers.shared.detections import DetectionsLayer, fill_detections, rows_of

ALL = -1
NO_FILES = "results are not written to files; read the top, or write it with HDF5Output"
NO_PICTURES = "nothing is shown on a screen; draw the boxes of the top"


@register_layer("DetectionOutput")
class DetectionOutputLayer(DetectionsLayer):
    """Decode the boxes of all priors, and keep for each class the best that do not overlap.

    bottom[0]: (N, P * L * 4), offsets of the boxes from the P priors; L is 1, or num_classes without share_location.
    bottom[1]: (N, P * num_classes), scores.
    bottom[2]: (1, 2, P * 4), priors and their variances; further axes are of size 1.
    bottom[3], bottom[4]: RefineDet's: (N, P * 2) scores of any object, and, optionally, (N, P * 4) offsets that move
        the priors first. Where an object scores less than objectness_score, all is background.
    top[0]: (1, 1, K, 7), a row a box: image, label, score, xmin, ymin, xmax, ymax as fractions of the image; images in
        order, labels rising, the best box first. If none is found (1, 1, N, 7) of -1, the first column being the image.
        Set-up, before there are values, gives (1, 1, 1, 7).

    `clip`, of OpenCV's face detector, cuts boxes to the image before their overlaps are looked at.
    Raises LayerError without num_classes, for thresholds out of range, and for sizes that do not fit the priors.
    """

    fork = "SSD, RefineDet"
    messages = ("detection_output_param",)
    not_read = {
        "detection_output_param.save_output_param": NO_FILES,
        "detection_output_param.save_file": NO_FILES,
        "detection_output_param.visualize": NO_PICTURES,
        "detection_output_param.visualize_threshold": NO_PICTURES,
    }
    formula = (
        "y = the boxes of {layer.priors} priors and {layer.classes} classes whose scores are above {layer.least:g}, "
        "without those that overlap a better one of their class by more than {layer.nms.nms_threshold:g}"
    )
    min_bottom_blobs = 3
    max_bottom_blobs = 5

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Check the fields."""
        param = self.param = self.layer_param.detection_output_param
        self.nms = param.nms_param
        self.classes = param.num_classes
        if not self.classes:
            raise LayerError(
                "detection_output_param.num_classes",
                0 if param.HasField("num_classes") else "not given",
                "give the number of classes, with the background",
            )
        if not self.nms.nms_threshold >= 0:
            raise LayerError(
                "detection_output_param.nms_param.nms_threshold", f"{self.nms.nms_threshold:g}", "use 0 or more"
            )
        if not 0 < self.nms.eta <= 1:
            raise LayerError("detection_output_param.nms_param.eta", f"{self.nms.eta:g}", "use more than 0, at most 1")
        self.locations = 1 if param.share_location else self.classes
        self.least = param.confidence_threshold if param.HasField("confidence_threshold") else -np.inf
        self.top_k = self.nms.top_k if self.nms.HasField("top_k") else ALL
        self.priors = 0

    def check_bottoms(self, bottom: Blobs) -> None:
        """Compare the sizes with the number of priors."""
        shape = bottom[2].shape
        if bottom[2].num_axes < 3 or shape[:2] != (1, 2) or bottom[2].count_between(2) % 4:
            raise LayerError("bottom[2]", shape_or_scalar(shape), "priors are (1, 2, P * 4), as PriorBox makes them")
        self.priors = bottom[2].count_between(2) // 4
        num = bottom[0].shape[:1]
        wanted = {0: self.locations * 4, 1: self.classes, 3: 2, 4: 4}
        for index, each in wanted.items():
            if index >= len(bottom):
                continue
            blob = bottom[index]
            if not blob.shape or blob.shape[:1] != num or blob.count_between(1) != self.priors * each:
                raise LayerError(
                    f"bottom[{index}]",
                    shape_or_scalar(blob.shape),
                    f"{self.priors} priors need N x {self.priors * each} values, {each} each, N as in bottom[0]",
                )

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Find the boxes and shape the top for them."""
        num = bottom[0].shape[0]
        priors, variances = bottom[2].data.reshape(2, self.priors, 4)
        spread = None if self.param.variance_encoded_in_target else variances
        moved = np.broadcast_to(priors, (num, self.priors, 4))
        if len(bottom) > 4:
            moved = decoded(bottom[4].data.reshape(num, self.priors, 4), priors, spread, self.param.code_type)
        offsets = bottom[0].data.reshape(num, self.priors, self.locations, 4)
        scores = self._scores(bottom)
        found = []
        for image in range(num):
            found += self._of_image(image, offsets[image], scores[image], moved[image], spread)
        fill_detections(top[0], found, num)

    def _scores(self, bottom: Blobs) -> Array:
        """Return the scores (N, P, classes); those of priors that hold no object are 0, their background 1."""
        num = bottom[1].shape[0]
        scores: Array = bottom[1].data.reshape(num, self.priors, self.classes)
        if len(bottom) > 3:
            empty = bottom[3].data.reshape(num, self.priors, 2)[..., 1] < self.param.objectness_score
            background = np.arange(self.classes) == self.param.background_label_id
            scores = np.where(empty[..., None], background.astype(scores.dtype), scores)
        return scores

    def _of_image(self, image: int, offsets: Array, scores: Array, priors: Array, spread: Array | None) -> list[Array]:
        """Return the rows of each class."""
        found = []
        for label in range(self.classes):
            if label == self.param.background_label_id:
                continue
            places = self._best(scores[:, label])
            said = offsets[places, 0 if self.param.share_location else label]
            variances = None if spread is None else spread[places]
            boxes = decoded(said, priors[places], variances, self.param.code_type)
            if self.param.clip:
                boxes = np.clip(boxes, 0, 1)
            kept = kept_boxes(boxes, self.nms.nms_threshold, eta=self.nms.eta)
            found.append(rows_of(image, label, scores[places[kept], label], boxes[kept]))
        return self._best_of_all(found)

    def _best(self, scores: Array) -> Array:
        """Return the top_k places with scores above the threshold, the best first; of equal ones the first."""
        places = np.flatnonzero(scores > self.least)
        places = places[np.argsort(-scores[places], kind="stable")]
        return places if self.top_k < 0 else places[: self.top_k]

    def _best_of_all(self, found: list[Array]) -> list[Array]:
        """Return the rows without those that are not among the keep_top_k best of the image."""
        keep = self.param.keep_top_k
        scores = np.concatenate([rows[:, 2] for rows in found]) if found else np.empty(0)
        if not ALL < keep < len(scores):
            return found
        kept = np.zeros(len(scores), bool)
        kept[np.argsort(-scores, kind="stable")[:keep]] = True
        return [np.concatenate(found)[kept]]
