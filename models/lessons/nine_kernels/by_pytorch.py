"""What PyTorch gives for the figures of this lesson; writes by_pytorch.json (pip install torch)."""

import json
from pathlib import Path

import torch
from torch.nn.functional import conv2d, max_pool2d, relu

from caffelite.examples.scene import grey, scene

KERNELS = {
    "sharpen": ((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    "vertical edge": ((0, 0, 0), (-1, 2, -1), (0, 0, 0)),
    "surround": ((1, 1, 1), (1, -9, 1), (1, 1, 1)),
    "Sobel-Y": ((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
    "nothing": ((0, 0, 0), (0, 1, 0), (0, 0, 0)),
    "horizontal edge": ((0, -1, 0), (0, 2, 0), (0, -1, 0)),
    "blur": ((0.11,) * 3,) * 3,
    "Sobel-X": ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    "emboss": ((2, 0, 0), (0, -1, 0), (0, 0, -1)),
}
image = torch.from_numpy(grey()).double()[None, None]
found = {"torch": torch.__version__, "maps": {}}
for name, kernel in KERNELS.items():
    top = conv2d(image, torch.tensor(kernel, dtype=torch.float64)[None, None])
    found["maps"][name] = [top.mean().item(), (top**2).mean().item(), top.min().item(), top.max().item()]
colours = torch.from_numpy(scene() / 255).permute(2, 0, 1)[None]  # red, green, blue: PyTorch's people keep this order
red = torch.stack([torch.full((3, 3), share, dtype=torch.float64) for share in (0.125, -0.0625, -0.0625)])[None]
top = conv2d(colours, red)
pooled = max_pool2d(relu(top), 4, 4, ceil_mode=True)
for name, blob in (("conv", top), ("relu", relu(top)), ("pool", pooled)):
    found[name] = [*blob.shape, blob.mean().item(), (blob**2).mean().item(), blob.min().item(), blob.max().item()]
Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
