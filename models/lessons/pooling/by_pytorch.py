"""What PyTorch gives for the figures of this lesson; writes by_pytorch.json (pip install torch)."""

import json
from pathlib import Path

import torch
from torch.nn.functional import avg_pool2d, max_pool2d

from caffelite.testing import spread_values

PI = "3141592653589793238462643"


def both(pool, bottom, top_diff, *window):
    """Return top and bottom gradient."""
    bottom.requires_grad_().grad = None
    top = pool(bottom, *window)
    top.backward(top_diff)
    return top.detach(), bottom.grad


found = {"torch": torch.__version__}
small = torch.tensor([float(digit) for digit in PI], dtype=torch.float64).reshape(1, 1, 5, 5)
batch = torch.from_numpy(spread_values((64, 3, 28, 28), step=1))
for name, pool in (("max", max_pool2d), ("average", avg_pool2d)):
    top, diff = both(pool, small, torch.tensor([[[[1.0, 2], [3, 4]]]], dtype=torch.float64), 3, 2)
    found[f"small {name}"] = [top[0, 0].tolist(), diff[0, 0].tolist()]
    top, diff = both(pool, batch, torch.from_numpy(spread_values((64, 3, 14, 14), step=1)), 2, 2)
    index = torch.arange(diff.numel(), dtype=torch.float64).reshape(diff.shape)
    found[f"batch {name}"] = [top.sum().item(), (diff * index).sum().item()]
Path(__file__).with_suffix(".json").write_text(json.dumps(found) + "\n")
