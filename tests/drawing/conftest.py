from pathlib import Path

import pytest

from caffelite.core.net.wiring.draft import Draft
from caffelite.core.prototxt.parse import parse_net, read_net
from caffelite.drawing.net import drawing_of
from caffelite.proto.caffe_pb2 import TEST, TRAIN

MODELS = Path(__file__).resolve().parents[2] / "models"


class Drawings:
    """Drawings of models/ and of texts."""

    def of(self, text, phases=(TRAIN, TEST), **options):
        return drawing_of(Draft.of(*parse_net(text, "net.prototxt")), None, phases, **options)

    def model(self, name, phases=(TRAIN, TEST)):
        path = MODELS / f"{name}.prototxt"
        return drawing_of(Draft.of(*read_net(path)), path.parent, phases)


@pytest.fixture(scope="session")
def drawings():
    return Drawings()
