"""ProposalLayer of py-faster-rcnn, built in: what `module: "rpn.proposal_layer"` gives where no such module is.

Source: lib/rpn/proposal_layer.py and lib/fast_rcnn/config.py of rbgirshick/py-faster-rcnn.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from caffelite import python_layer
from caffelite.core.blob import Blob
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layers.shared.param_str import parsed_param_str
from caffelite.core.layers.shared.proposals import Proposer, make_anchors
from caffelite.proto import caffe_pb2

log = logging.getLogger("caffelite")

BASE_SIZE = 16
RATIOS = (0.5, 1, 2)
SCALES = (8, 16, 32)
BOXES_IN_TRAIN, BOXES_IN_TEST = (12000, 2000), (6000, 300)  # looked at, and kept
THRESHOLD = 0.7
MIN_SIZE = 16  # pixels of the image before it was scaled


class ProposalLayer(python_layer.Layer):
    """Move anchors by what a region proposal network says, and keep the best that do not overlap, of one image.

    param_str: 'feat_stride', pixels of the image from one pixel of the map to the next; 'scales' of the anchors, by
    default [8, 16, 32].

    bottom[0]: (1, 2 * A, H, W), scores; the last A channels are of an object. A = 3 * scales.
    bottom[1]: (1, 4 * A, H, W), offsets. bottom[2]: (1, 3): height, width and scale of the image.
    top[0]: (R, 5): 0, x1, y1, x2, y2 in pixels, the best first; R is at most 300, or 2000 in TRAIN, possibly 0.
    top[1]: optional, (R, 1), their scores.

    The gradients of the bottoms are 0. Raises LayerError for a param_str without feat_stride, and for other shapes.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Read param_str and make the anchors."""
        given = parsed_param_str(self.param_str)
        stride, scales = given.pop("feat_stride", None), given.pop("scales", SCALES)
        if not isinstance(stride, int) or stride < 1:
            raise LayerError("python_param.param_str", repr(self.param_str), "give a whole number as 'feat_stride': 16")
        if not isinstance(scales, list | tuple) or not scales or not all(_is_positive(scale) for scale in scales):
            raise LayerError("python_param.param_str", repr(self.param_str), "give numbers as 'scales': [8, 16, 32]")
        if given:
            log.warning("python_param.param_str: ProposalLayer does not read %s", ", ".join(map(repr, given)))
        anchors = make_anchors(BASE_SIZE, RATIOS, scales, round)  # halves to even, as numpy's
        looked_at, kept = BOXES_IN_TRAIN if self.phase == caffe_pb2.TRAIN else BOXES_IN_TEST
        self.proposer = Proposer(anchors, stride, looked_at, kept, THRESHOLD)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Check the bottoms; a pass forward gives the tops the rows that they need."""
        if len(bottom) != 3 or not 1 <= len(top) <= 2:
            raise LayerError("bottom", f"given {len(bottom)} times", "ProposalLayer takes 3 and produces 1 or 2 tops")
        count, size = len(self.proposer.anchors), bottom[0].shape[2:]
        for index, each in enumerate((2, 4)):
            if len(size) != 2 or bottom[index].shape != (1, each * count, *size):
                raise LayerError(
                    f"bottom[{index}]",
                    shape_or_scalar(bottom[index].shape),
                    f"{count} anchors need (1, {each * count}, height, width), one image, sizes as in bottom[0]",
                )
        if bottom[2].count < 3:
            raise LayerError("bottom[2]", shape_or_scalar(bottom[2].shape), "give height, width and scale of the image")
        self._shape(top, 1)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Make the proposals and shape the tops for them."""
        height, width, scale = bottom[2].data.ravel()[:3]
        foreground = bottom[0].data[0, len(self.proposer.anchors) :]
        boxes, scores = self.proposer.proposals(
            foreground, bottom[1].data[0], (height, width), (MIN_SIZE * scale, MIN_SIZE * scale)
        )
        self._shape(top, len(boxes))
        top[0].data[:, 0], top[0].data[:, 1:] = 0, boxes
        if len(top) > 1:
            top[1].data[:, 0] = scores

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Set the gradients to zero."""
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.diff[...] = 0

    @staticmethod
    def _shape(top: Sequence[Blob], rows: int) -> None:
        top[0].reshape(rows, 5)
        if len(top) > 1:
            top[1].reshape(rows, 1)


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and value > 0
