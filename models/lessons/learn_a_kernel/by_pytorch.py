"""What PyTorch's SGD makes of the same images; writes by_pytorch.json (pip install torch)."""

import json
from pathlib import Path

import h5py
import torch

HERE = Path(__file__).parent
with h5py.File(HERE / "learn_a_kernel.h5") as file:
    image, filtered = (torch.from_numpy(file[name][...]).double() for name in ("image", "filtered"))
weight = torch.zeros(1, 1, 3, 3, dtype=torch.float64, requires_grad=True)
optimizer = torch.optim.SGD([weight], lr=0.5)
iterations = 0
while True:
    loss = ((torch.nn.functional.conv2d(image, weight) - filtered) ** 2).mean() / 2
    if loss < 1e-7:
        break
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    iterations += 1
found = {"torch": torch.__version__, "iterations": iterations, "loss": loss.item(), "weight": weight[0, 0].tolist()}
Path(__file__).with_suffix(".json").write_text(json.dumps(found) + "\n")
