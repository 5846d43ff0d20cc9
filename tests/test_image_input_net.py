import pytest

from caffelite import Classifier, Detector, NetSpec
from caffelite import layers as L
from caffelite.core.errors import UsageError


@pytest.mark.parametrize("kind", [Classifier, Detector])
def test_nets_without_an_input_of_images(kind):
    n = NetSpec()
    n.data = L.DummyData(shape=dict(dim=[1, 3, 4, 4]))
    n.flat = L.Flatten(n.data)
    net = n.to_proto()
    net.name = "train"
    with pytest.raises(UsageError, match=f'^{kind.__name__}: net "train" has no input; give its deploy.prototxt'):
        kind(net, None)
    n = NetSpec()
    n.x = L.Input(shape=dict(dim=[1, 3]))
    n.flat = L.Flatten(n.x)
    with pytest.raises(UsageError, match=rf'^{kind.__name__}: input "x" has the shape \(1, 3\); images need \(N, C'):
        kind(n.to_proto(), None)
