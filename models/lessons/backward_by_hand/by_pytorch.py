"""What PyTorch's autograd gives for the figures of this lesson; writes by_pytorch.json (pip install torch)."""

import json
from pathlib import Path

import torch

CASES = {
    "small": ((1, 1, 3, 3), (1, 1, 2, 2), 1),
    "larger": ((2, 3, 3, 3), (2, 3, 2, 2), 1),
    "stride2": ((1, 1, 5, 5), (1, 1, 2, 2), 2),
    "stride3": ((1, 1, 5, 5), (1, 1, 2, 2), 3),
}


def counting(shape):
    """Return 0, 1, 2, ... in this shape."""
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float64).reshape(shape)


found = {"torch": torch.__version__}
for name, (bottom_shape, weight_shape, stride) in CASES.items():
    bottom, weight = counting(bottom_shape).requires_grad_(), counting(weight_shape).requires_grad_()
    bias = torch.zeros(weight_shape[0], dtype=torch.float64, requires_grad=True)
    top = torch.nn.functional.conv2d(bottom, weight, bias, stride=stride)
    top.backward(counting(top.shape))
    found[name] = {
        "top": top.tolist(),
        "weight": weight.grad.tolist(),
        "bias": bias.grad.tolist(),
        "bottom": bottom.grad.tolist(),
    }
Path(__file__).with_suffix(".json").write_text(json.dumps(found) + "\n")
