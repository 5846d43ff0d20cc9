"""How SSD says a box relative to a prior: offsets, scaled by variances. Source: bbox_util.cpp of weiliu89/caffe@ssd."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from caffelite.core.blob import Array
from caffelite.proto import caffe_pb2

CodeType = caffe_pb2.PriorBoxParameter.CodeType


@np.errstate(over="ignore", invalid="ignore")  # a net that diverges is the solver's affair
def decoded(offsets: Array, priors: Array, variances: Array | None, code_type: CodeType) -> Array:
    """Return the boxes that `offsets` say, all (..., P, 4): xmin, ymin, xmax, ymax as fractions of the image.

    variances: (P, 4), or None where the offsets hold them already. Nothing is clipped. exp may give inf.
    """
    scaled = offsets if variances is None else offsets * variances
    return _DECODERS[code_type](scaled, priors)


def _from_corners(scaled: Array, priors: Array) -> Array:
    """Offsets are added to the prior's corners."""
    boxes: Array = priors + scaled
    return boxes


def _from_centre(scaled: Array, priors: Array) -> Array:
    """Offsets move the prior's centre, in its sizes, and say the logarithm of the ratio of sizes."""
    sizes = priors[..., 2:] - priors[..., :2]
    centres = (priors[..., :2] + priors[..., 2:]) / 2 + scaled[..., :2] * sizes
    halves = np.exp(scaled[..., 2:]) * sizes / 2
    return np.concatenate([centres - halves, centres + halves], -1)


def _from_corners_in_sizes(scaled: Array, priors: Array) -> Array:
    """Offsets are added to the prior's corners, in its sizes."""
    sizes = priors[..., 2:] - priors[..., :2]
    boxes: Array = priors + scaled * np.concatenate([sizes, sizes], -1)
    return boxes


_DECODERS: dict[int, Callable[[Array, Array], Array]] = {
    caffe_pb2.PriorBoxParameter.CORNER: _from_corners,
    caffe_pb2.PriorBoxParameter.CENTER_SIZE: _from_centre,
    caffe_pb2.PriorBoxParameter.CORNER_SIZE: _from_corners_in_sizes,
}
