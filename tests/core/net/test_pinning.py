from collections import OrderedDict

import pytest

from caffelite.core.blob import Blob
from caffelite.core.net.pinning import PinningBlobs


@pytest.fixture
def blobs():
    return PinningBlobs([("data", Blob((1,))), ("conv1", Blob((2,))), ("loss", Blob(()))])


def pinned(blobs):
    return [name for name in blobs if OrderedDict.__getitem__(blobs, name).pinned]


def test_a_blob_that_is_taken_out_is_pinned_and_the_others_are_not(blobs):
    assert pinned(blobs) == []
    assert "conv1" in blobs and len(blobs) == 3
    assert pinned(blobs) == []
    blobs["conv1"]
    assert pinned(blobs) == ["conv1"]
    blobs.get("loss")
    assert pinned(blobs) == ["conv1", "loss"]


@pytest.mark.parametrize("walk", [lambda blobs: list(blobs.values()), lambda blobs: dict(blobs.items())])
def test_walking_through_the_blobs_pins_all(blobs, walk):
    walk(blobs)
    assert pinned(blobs) == ["data", "conv1", "loss"]
