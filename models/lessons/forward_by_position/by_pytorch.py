"""What PyTorch gives for the batch of this lesson; writes by_pytorch.json (pip install torch)."""

import json
from pathlib import Path

import torch


def whole_numbers(*shape):
    """Return whole numbers from -4 to 4 without a simple pattern, the same on every machine."""
    index = torch.arange(torch.Size(shape).numel())
    return (index * index % 10007 % 9 - 4).reshape(shape).double()


top = torch.nn.functional.conv2d(
    whole_numbers(10, 32, 14, 14), whole_numbers(16, 32, 3, 3), whole_numbers(16), padding=1
)
found = {
    "torch": torch.__version__,
    "shape": list(top.shape),
    "map 5 of sample 3": top[3, 5].tolist(),
    "sums of the maps": top.sum((0, 2, 3)).tolist(),
    "sum of squares": (top**2).sum().item(),
}
Path(__file__).with_suffix(".json").write_text(json.dumps(found) + "\n")
