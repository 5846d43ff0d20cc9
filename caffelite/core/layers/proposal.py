"""Proposal: regions that may hold an object. Source: proposal_layer.cpp of PVANet (sanghoon/caffe)."""

from __future__ import annotations

from math import floor

from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.proposals import Proposer, make_anchors
from caffelite.core.layers.shared.without_gradient import WithoutGradientLayer


@register_layer("Proposal")
class ProposalLayer(WithoutGradientLayer):
    """Move anchors by what a region proposal network says, and keep the best that do not overlap.

    bottom[0]: (N, 2 * A, H, W), scores; the last A channels are of an object. A = ratios * scales.
    bottom[1]: (N, 4 * A, H, W), offsets dx, dy, dw, dh of each anchor.
    bottom[2]: (N, 4) or more columns: height, width of the image, and by what its height and width were scaled; with 3
        columns both by the third.
    top[0]: (R, 5): image, x1, y1, x2, y2 in pixels, corners included; the best box of an image first, at most
        post_nms_topn an image, possibly none. Set-up, before there are values, gives N * post_nms_topn rows.
    top[1]: optional, (R), their scores.

    Boxes are clipped to the image, and those below min_size, times the scale, are left out.

    Raises LayerError without ratios and scales, for numbers that are not positive, and for channels that do not fit.
    """

    fork = "PVANet"
    messages = ("proposal_param",)
    formula = (
        "y = the {proposal_param.post_nms_topn} best boxes an image of {layer.count} anchors a pixel, without those "
        "that overlap a better one by more than {layer.threshold:g}"
    )
    exact_num_bottom_blobs = 3
    min_top_blobs = 1
    max_top_blobs = 2

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Make the anchors."""
        param = self.layer_param.proposal_param
        for name in ("ratio", "scale"):
            values = getattr(param, name)
            if not values:
                raise LayerError(
                    f"proposal_param.{name}", "not given", "give one or more, as 0.5, 1 and 2 or 8, 16, 32"
                )
            for value in values:
                if not value > 0:
                    raise LayerError(f"proposal_param.{name}", f"{value:g}", "it must be above 0")
        for name in ("feat_stride", "base_size", "pre_nms_topn", "post_nms_topn"):
            if not getattr(param, name):
                raise LayerError(f"proposal_param.{name}", 0, "use 1 or more")
        if param.output_actual_rois_num:
            raise LayerError(
                "proposal_param.output_actual_rois_num",
                "true",
                "leave it out, and count the rows of each image in the first top",
            )
        self.threshold = param.iou_threshold if param.HasField("iou_threshold") else param.nms_thresh
        anchors = make_anchors(param.base_size, param.ratio, param.scale, lambda value: floor(value + 0.5))
        self.count = len(anchors)
        self.proposer = Proposer(anchors, param.feat_stride, param.pre_nms_topn, param.post_nms_topn, self.threshold)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check the bottoms and make room for the most boxes that there can be."""
        num, size = bottom[0].shape[:1], bottom[0].shape[2:]
        for index, each in enumerate((2, 4)):
            channels = each * self.count
            if bottom[index].num_axes != 4 or bottom[index].shape != (*num, channels, *size):
                raise LayerError(
                    f"bottom[{index}]",
                    shape_or_scalar(bottom[index].shape),
                    f"{self.count} anchors need (N, {channels}, height, width), sizes as in bottom[0]",
                )
        if bottom[2].num_axes < 2 or bottom[2].shape[:1] != num or bottom[2].count_between(1) < 3:
            raise LayerError(
                "bottom[2]", shape_or_scalar(bottom[2].shape), "give height, width and scales of each image in a row"
            )
        self._shape(top, num[0] * self.proposer.post_nms)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Make the proposals of each image and shape the tops for them."""
        info = bottom[2].data.reshape(bottom[2].shape[0], -1)
        found = []
        for image, (height, width, *scales) in enumerate(info):
            least = [self.layer_param.proposal_param.min_size * scale for scale in (scales * 2)[:2]]
            scores = bottom[0].data[image, self.count :]
            found.append(self.proposer.proposals(scores, bottom[1].data[image], (height, width), least))
        self._shape(top, sum(len(boxes) for boxes, _ in found))
        start = 0
        for image, (boxes, scores) in enumerate(found):
            rows = slice(start, start + len(boxes))
            top[0].data[rows, 0], top[0].data[rows, 1:] = image, boxes
            if len(top) > 1:
                top[1].data[rows] = scores
            start = rows.stop

    @staticmethod
    def _shape(top: Blobs, rows: int) -> None:
        top[0].reshape(rows, 5)
        if len(top) > 1:
            top[1].reshape(rows)
