"""Eight nets of torchvision, exported here; needs torch and torchvision, which are too large for every run."""

import numpy as np
import pytest

import caffelite
from caffelite.onnx_import.of_file import from_onnx
from caffelite.onnx_import.writing import write_both

NETS = ("alexnet", "vgg11", "resnet18", "squeezenet1_1", "mobilenet_v2", "googlenet", "densenet121")
pytestmark = [pytest.mark.soak, pytest.mark.filterwarnings("ignore")]


def export(torch, name, path, dynamo):
    """Write a net of random weights and statistics, and return an input and what PyTorch makes of it."""
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    more = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    net = getattr(models, name)(weights=None, **more)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    net.eval()
    x = torch.randn(1, 3, 224, 224)
    torch.onnx.export(net, (x,), str(path), dynamo=dynamo, **({"external_data": False} if dynamo else {}))
    with torch.no_grad():
        return x.numpy(), net(x).numpy()


@pytest.mark.parametrize("dynamo", [True, False])
@pytest.mark.parametrize("dialect", ["caffelite", "bvlc"])
@pytest.mark.parametrize("name", [*NETS, "shufflenet_v2_x1_0"])
def test_the_net_answers_as_pytorch(name, dialect, dynamo, tmp_path):
    torch = pytest.importorskip("torch")
    x, wanted = export(torch, name, tmp_path / "net.onnx", dynamo)
    prototxt, caffemodel = write_both(from_onnx(tmp_path / "net.onnx", dialect), tmp_path / "net")
    net = caffelite.Net(str(prototxt), str(caffemodel), caffelite.TEST)
    net.blobs[net.inputs[0]].data[...] = x
    (ours,) = net.forward().values()
    assert np.ptp(wanted) > 0.01
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-4)
