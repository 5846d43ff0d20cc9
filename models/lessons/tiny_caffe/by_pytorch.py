"""What PyTorch makes of the same net in 20 iterations; writes by_pytorch.json (pip install torch)."""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import conv2d, cross_entropy, max_pool2d, relu

import caffelite

with np.load(Path(caffelite.__file__).parent / "datasets" / "digits.npz") as digits:
    images, labels = torch.from_numpy(digits["images"][:, None] / 16), torch.from_numpy(digits["labels"].astype(int))
params = []
for shape in ((16, 1, 3, 3), (32, 16, 3, 3), (10, 128)):
    count, inputs = int(np.prod(shape)), int(np.prod(shape[1:]))
    weight = torch.from_numpy(np.sin(np.arange(count) ** 2.0) * np.sqrt(3 / inputs)).reshape(shape)
    params += [weight.requires_grad_(), torch.zeros(shape[0], dtype=torch.float64, requires_grad=True)]
groups = [
    {"params": params[0::2], "lr": 0.05, "weight_decay": 0.0005},
    {"params": params[1::2], "lr": 0.1, "weight_decay": 0.0},
]
optimizer = torch.optim.SGD(groups, momentum=0.9)
losses = []
for iteration in range(20):
    data, label = images[64 * iteration : 64 * iteration + 64], labels[64 * iteration : 64 * iteration + 64]
    blob = relu(max_pool2d(conv2d(data, params[0], params[1], padding=1), 2))
    blob = relu(conv2d(blob, params[2], params[3])).flatten(1)
    loss = cross_entropy(blob @ params[4].T + params[5], label)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
sums = [[param.sum().item(), (param**2).sum().item()] for param in params]
found = {"torch": torch.__version__, "losses": losses, "sums": sums, "conv1 bias": params[1].tolist()}
Path(__file__).with_suffix(".json").write_text(json.dumps(found) + "\n")
