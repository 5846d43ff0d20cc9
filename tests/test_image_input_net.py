import pytest

from caffelite import Classifier, Detector, NetSpec
from caffelite import layers as L
from caffelite.core.errors import CaffeliteError, UsageError


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


@pytest.mark.parametrize("kind", [Classifier, Detector])
def test_layers_and_unknown_fields_of_the_users_own(kind, tmp_path):
    (tmp_path / f"mine_of_{kind.__name__}.py").write_text(
        "from caffelite.layer import Layer, register_layer\n\n\n"
        f'@register_layer("MineOf{kind.__name__}")\n'
        "class Mine(Layer):\n"
        "    exact_num_bottom_blobs = exact_num_top_blobs = 1\n\n"
        "    def reshape(self, bottom, top):\n        top[0].reshape_like(bottom[0])\n\n"
        "    def forward(self, bottom, top):\n        top[0].data[...] = 2 * bottom[0].data\n"
    )
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 dim: 2 dim: 2 } } zorblax: 1 }\n'
        f'layer {{ name: "y" type: "MineOf{kind.__name__}" bottom: "x" top: "y" }}\n'
    )
    path = str(tmp_path / "net.prototxt")
    with pytest.raises(CaffeliteError, match='unknown field "zorblax"'):
        kind(path, None)
    net = kind(path, None, layers=tmp_path / f"mine_of_{kind.__name__}.py", allow_unknown_fields=True)
    net.blobs["x"].data[...] = 3
    assert (net.forward()["y"] == 6).all()
