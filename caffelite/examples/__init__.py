"""Something to begin with: a trained LeNet, the digits that it knows, and the nets and solvers that come along.

from caffelite import examples

net = examples.lenet()
images, labels = examples.digits()
print(net.forward(data=images[:1])["prob"].argmax(), labels[0])
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import caffelite
from caffelite.core.errors import UsageError
from caffelite.core.prototxt.suggest import any_of, did_you_mean

if TYPE_CHECKING:
    from caffelite.core.blob import Array
    from caffelite.pycaffe import Net

PACKAGE = Path(caffelite.__file__).parent
SCALE = 0.00390625  # of the nets' transform_param: bytes become values from 0 to 1
PARTS = ("test", "train")


def folder() -> Path:
    """Return the folder that holds models/ and solvers/: of the installed package, or the checkout that it lies in."""
    installed = PACKAGE / "examples"
    return installed if (installed / "models").is_dir() else PACKAGE.parent


def lenet() -> Net:
    """Return models/lenet_small, trained on the digits, ready for one image at a time; phase TEST.

    For N images write `net.blobs["data"].reshape(N, 1, 28, 28)` first.
    """
    from caffelite.proto.caffe_pb2 import TEST
    from caffelite.pycaffe import Net

    model = folder() / "models" / "lenet_small"
    return Net(model / "deploy.prototxt", TEST, weights=model / "digits.caffemodel")


def digits(part: str = "test") -> tuple[Array, Array]:
    """Return handwritten digits as the net takes them: (N, 1, 28, 28) float32 from 0 to 1, and their labels (N).

    N is 360 for "test", which `lenet` was not trained on, and 1,437 for "train"; the order is that of the databases
    which training reads. Raises UsageError for another `part`.
    """
    import numpy as np

    from caffelite.datasets import digits as stored

    if part not in PARTS:
        raise UsageError(f'the digits have no part "{part}"{did_you_mean(part, PARTS) or f"; use {any_of(PARTS)}"}')
    images, labels = stored.load()
    chosen = stored.for_testing(labels) == (part == "test")
    enlarged = stored.enlarge(images[chosen])[:, np.newaxis]
    return enlarged.astype(np.float32) * np.float32(SCALE), labels[chosen].astype(np.int64)
