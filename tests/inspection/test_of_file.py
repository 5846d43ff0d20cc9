from pathlib import Path

import pytest

from caffelite.core.errors import PrototxtError
from caffelite.inspection.of_file import net_of_file
from caffelite.proto.caffe_pb2 import TEST

MODELS = Path(__file__).resolve().parents[2] / "models"


def test_says_what_was_replaced():
    with net_of_file(MODELS / "caffenet/train_val.prototxt", TEST, shapes={"label": (50, 1)}) as (net, replaced):
        assert net.layer_names[0] == "data"
        assert [(one.type, one.shapes) for one in replaced] == [("Data", {"data": (50, 3, 227, 227), "label": (50, 1)})]


def test_a_file_that_is_not_there():
    with pytest.raises(PrototxtError, match="nowhere.prototxt: no such file"), net_of_file("nowhere.prototxt", TEST):
        pass
