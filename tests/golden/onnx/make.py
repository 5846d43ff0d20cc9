"""Exports of PyTorch, one an operator, and a few narrow nets, with what PyTorch answers.

Run with torch, onnx and onnxscript installed: python make_onnx_cases.py FOLDER. Weights are random, BatchNorm has
random running statistics, all nets are in eval mode.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings("ignore")


class Of(nn.Module):
    """A module that is a function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


class Gate(nn.Module):
    """Squeeze and excitation: channels times what they are worth."""

    def __init__(self, channels):
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, 2, 1), nn.Conv2d(2, channels, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))


class Block(nn.Module):
    """Two convolutions with batch normalization, and their input added."""

    def __init__(self, channels):
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.two = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x):
        return F.relu(x + self.two(F.relu(self.one(x))))


class Inverted(nn.Module):
    """MobileNet v2's block."""

    def __init__(self, channels):
        super().__init__()
        wide = 2 * channels
        self.all = nn.Sequential(
            *(nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()),
            *(nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()),
            *(nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels)),
        )

    def forward(self, x):
        return x + self.all(x)


def shuffle(x, groups=2):
    n, c, h, w = x.shape
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)


class Shuffled(nn.Module):
    """ShuffleNet v2's block: half of the channels pass, then all are shuffled."""

    def __init__(self, channels):
        super().__init__()
        self.half_of = nn.Sequential(
            nn.Conv2d(channels // 2, channels // 2, 1), nn.BatchNorm2d(channels // 2), nn.ReLU()
        )

    def forward(self, x):
        left, right = x.chunk(2, dim=1)
        return shuffle(torch.cat((left, self.half_of(right)), 1))


def net(block, channels=8, count=2):
    start = nn.Sequential(nn.Conv2d(3, channels, 3, 2, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
    end = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 5))
    return nn.Sequential(start, nn.MaxPool2d(3, 2, 1), *(block(channels) for _ in range(count)), end)


IMAGE, ROWS = (1, 4, 9, 8), (2, 6)
CASES = {
    "conv": (nn.Conv2d(4, 6, 3, 2, 1, groups=2), IMAGE),
    "conv_dilated": (nn.Conv2d(4, 5, (3, 2), dilation=(2, 1), padding=(2, 0), bias=False), IMAGE),
    "conv_same": (nn.Conv2d(4, 5, (4, 2), padding="same"), IMAGE),
    "conv_1d": (nn.Conv1d(4, 5, 3, padding=1), (1, 4, 9)),
    "conv_transpose": (nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1, groups=2), IMAGE),
    "conv_after_pad": (nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(4, 5, 3, 2)), IMAGE),
    "pad": (nn.Sequential(nn.ReLU(), nn.ZeroPad2d((1, 2, 0, 1))), IMAGE),
    "max_pool_floor": (nn.MaxPool2d(3, 2, 1), IMAGE),
    "max_pool_ceil": (nn.MaxPool2d(3, 2, ceil_mode=True), IMAGE),
    "average_pool": (nn.AvgPool2d(3, 2, 1), IMAGE),
    "average_pool_image_alone": (nn.AvgPool2d(3, 2, 1, count_include_pad=False), IMAGE),
    "global_pool": (nn.AdaptiveAvgPool2d(1), IMAGE),
    "global_max_pool": (nn.AdaptiveMaxPool2d(1), IMAGE),
    "batch_norm": (nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4)), IMAGE),
    "linear": (nn.Linear(6, 4), ROWS),
    "linear_of_three_axes": (nn.Linear(6, 4), (2, 3, 6)),
    "leaky_relu": (nn.LeakyReLU(0.2), IMAGE),
    "prelu": (nn.PReLU(4), IMAGE),
    "elu": (nn.ELU(0.7), IMAGE),
    "relu6": (nn.ReLU6(), IMAGE),
    "hard_sigmoid": (nn.Hardsigmoid(), IMAGE),
    "hard_swish": (nn.Hardswish(), IMAGE),
    "silu": (nn.SiLU(), IMAGE),
    "tanh": (nn.Tanh(), IMAGE),
    "softmax": (nn.Softmax(1), IMAGE),
    "log_softmax": (nn.LogSoftmax(1), ROWS),
    "numbers": (Of(lambda x: (3 - 2 * x) / 4 + 5 / (x.abs() + 1)), IMAGE),
    "roots": (Of(lambda x: torch.sqrt(torch.exp(-x) + x**2) + torch.log(x.abs() + 1)), IMAGE),
    "two_blobs": (Of(lambda x: (x - torch.tanh(x)) * x / (1 + x * x)), IMAGE),
    "channels_scaled": (Of(lambda x: x * torch.arange(1.0, 5).view(4, 1, 1) - torch.ones(1, 4, 1, 1)), IMAGE),
    "gate": (Gate(4), IMAGE),
    "pixels_scaled": (Of(lambda x: x * x.mean(1, keepdim=True)), IMAGE),
    "minimum": (Of(lambda x: torch.minimum(torch.maximum(x, x * 2), torch.sigmoid(x))), IMAGE),
    "mean": (Of(lambda x: x.mean((2, 3))), IMAGE),
    "sum_of_last": (Of(lambda x: x.sum(-1)), IMAGE),
    "arg_max": (Of(lambda x: x.argmax(1).float()), IMAGE),
    "chunk": (Of(lambda x: torch.cat(x.split((1, 3), 1)[::-1], 1)), IMAGE),
    "part": (Of(lambda x: x[:, 1:3] * 2), IMAGE),
    "place": (Of(lambda x: x[:, :, 2] + 1), IMAGE),
    "flatten": (nn.Flatten(), IMAGE),
    "reshape": (Of(lambda x: x.reshape(1, 2, 2, 72)), IMAGE),
    "shuffle": (Of(lambda x: shuffle(x) + 1), IMAGE),
    "permute": (Of(lambda x: x.permute(0, 2, 3, 1).reshape(1, 72, 4)), IMAGE),
    "pixel_shuffle": (nn.PixelShuffle(2), IMAGE),
    "upsample": (nn.Upsample(scale_factor=2), IMAGE),
    "upsample_corners": (nn.Upsample(size=(17, 15), mode="bilinear", align_corners=True), IMAGE),
    "narrow_resnet": (net(Block), (1, 3, 32, 32)),
    "narrow_mobilenet": (net(Inverted), (1, 3, 32, 32)),
    "narrow_shufflenet": (net(Shuffled), (1, 3, 32, 32)),
}


def main(folder):
    answers = {}
    for name, (module, shape) in CASES.items():
        torch.manual_seed(0)
        for inner in module.modules():
            if isinstance(inner, nn.BatchNorm2d):
                inner.running_mean.normal_(0, 0.1)
                inner.running_var.uniform_(0.5, 1.5)
        module.eval()
        x = torch.randn(shape)
        with torch.no_grad():
            answers[f"{name}_in"], answers[f"{name}_out"] = x.numpy(), module(x).numpy()
        for exporter in ("new", "old"):
            file = str(folder / f"{name}_{exporter}.onnx")
            if exporter == "new":
                torch.onnx.export(module, (x,), file, dynamo=True, external_data=False, verbose=False)
            else:
                torch.onnx.export(module, (x,), file, dynamo=False)
    np.savez_compressed(folder / "answers.npz", **answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
