"""Time each layer type, forward and backward, also in PyTorch if it is installed.

python tools/benchmarks/layers.py [TYPE ...]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any, NamedTuple

import numba
import numpy as np
from timing import Sample, Timing, interleave, machine_text

from caffelite.core.blob import Blob
from caffelite.core.layer import Layer
from caffelite.testing import layer_from, set_up

WITH_TORCH = find_spec("torch") is not None
if WITH_TORCH:
    import torch
    import torch.nn.functional as F
    from torch import Tensor

SHAPE = (8, 64, 56, 56)
Run = Callable[[], object]


class Case(NamedTuple):
    """A layer, and what PyTorch's users would write for it as a function of its bottoms and parameters; None: nothing.

    Further bottoms are of shape `others`. In place the values change from run to run, on both sides. PyTorch's gradient
    of a sum is the top's itself; ours, like Caffe's, is a copy.
    """

    text: str
    torchs: Callable[..., Tensor] | None
    others: tuple[tuple[int, ...], ...] = ()
    in_place: bool = False


def _moments(x: Tensor) -> Tensor:
    return (x - x.mean((2, 3), keepdim=True)) / (x.std((2, 3), keepdim=True, unbiased=False) + 1e-9)


def _channels(v: Tensor) -> Tensor:
    return v.view(-1, 1, 1)


# PyTorch's functions are named inside lambdas, so that the table can be read where there is no PyTorch
CASES = (
    Case('type: "ReLU"', lambda x: F.relu(x)),
    Case('type: "ReLU" relu_param { negative_slope: 0.1 }', lambda x: F.leaky_relu(x, 0.1)),
    Case('type: "PReLU"', lambda x, w: F.prelu(x, w)),
    Case('type: "ELU"', lambda x: F.elu(x)),
    Case('type: "Sigmoid"', lambda x: torch.sigmoid(x)),
    Case('type: "TanH"', lambda x: torch.tanh(x)),
    Case('type: "AbsVal"', lambda x: torch.abs(x)),
    Case('type: "Power" power_param { power: 2 scale: 0.5 shift: 1 }', lambda x: (1 + 0.5 * x) ** 2),
    Case('type: "Power" power_param { power: 0.7 scale: 0.1 shift: 2 }', lambda x: (2 + 0.1 * x) ** 0.7),
    Case('type: "Exp"', lambda x: torch.exp(x)),
    Case('type: "Log" log_param { shift: 9 }', lambda x: torch.log(x + 9)),
    Case('type: "BNLL"', lambda x: F.softplus(x)),
    Case('type: "Clip" clip_param { min: -1 max: 1 }', lambda x: torch.clamp(x, -1, 1)),
    Case('type: "Swish"', lambda x: F.silu(x)),
    Case('type: "Threshold"', lambda x: (x > 0).float()),
    Case('type: "Dropout"', lambda x: F.dropout(x, 0.5, True)),
    Case('type: "BatchNorm"', lambda x, *sums: F.batch_norm(x, None, None, None, None, True)),
    Case('type: "Scale"', lambda x, w: x * _channels(w)),
    Case('type: "Scale" scale_param { bias_term: true }', lambda x, w, b: x * _channels(w) + _channels(b)),
    Case('type: "Scale" scale_param { axis: 0 }', lambda x, y: torch.mul(x, y), (SHAPE,)),
    Case('type: "Bias"', lambda x, b: x + _channels(b)),
    Case('type: "Eltwise"', lambda x, y: torch.add(x, y), (SHAPE,)),
    Case('type: "Eltwise" eltwise_param { operation: PROD }', lambda x, y: torch.mul(x, y), (SHAPE,)),
    Case('type: "Eltwise" eltwise_param { operation: MAX }', lambda x, y: torch.maximum(x, y), (SHAPE,)),
    Case('type: "Pooling" pooling_param { kernel_size: 3 stride: 2 }', lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True)),
    Case('type: "Pooling" pooling_param { kernel_size: 2 stride: 2 }', lambda x: F.max_pool2d(x, 2, 2)),
    Case(
        'type: "Pooling" pooling_param { pool: AVE kernel_size: 3 stride: 2 }',
        lambda x: F.avg_pool2d(x, 3, 2, ceil_mode=True),
    ),
    Case('type: "Pooling" pooling_param { pool: AVE global_pooling: true }', lambda x: F.avg_pool2d(x, x.shape[2:])),
    Case('type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }', None),
    Case('type: "LRN" lrn_param { alpha: 1e-4 }', lambda x: F.local_response_norm(x, 5, 1e-4)),
    Case('type: "LRN" lrn_param { alpha: 1e-4 local_size: 3 norm_region: WITHIN_CHANNEL }', None),
    Case('type: "Softmax"', lambda x: F.softmax(x, 1)),
    Case('type: "MVN"', _moments),
    Case('type: "Concat"', lambda *xs: torch.cat(xs, 1), (SHAPE,)),
    Case('type: "Crop" crop_param { offset: 1 }', lambda x, like: x[:, :, 1:55, 1:55].contiguous(), ((8, 64, 54, 54),)),
    Case('type: "SPP" spp_param { pyramid_height: 3 }', None),
    Case('type: "ReLU"', lambda x: F.relu(x, inplace=True), in_place=True),
    Case('type: "Scale"', None, in_place=True),
    Case('type: "BatchNorm"', None, in_place=True),
)


def main() -> None:
    """Read the command line and print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("types", nargs="*", metavar="TYPE", help="layer types to time; default all of the table")
    parser.add_argument("--threads", type=int, default=2, help="of both libraries (default 2)")
    parser.add_argument("--blocks", type=int, default=5, help="turns of each candidate (default 5)")
    parser.add_argument("--samples", type=int, default=7, help="runs in a turn that count (default 7)")
    options = parser.parse_args()
    if options.threads > (os.cpu_count() or 1):
        raise SystemExit(f"--threads is {options.threads}; this machine has {os.cpu_count()} cores")
    numba.set_num_threads(options.threads)
    if WITH_TORCH:
        torch.set_num_threads(options.threads)
    print(machine_text(options.threads, ("numpy", "numba", "torch")))
    print(f"bottoms {' x '.join(map(str, SHAPE))}, float32; torch: its time over ours\n")
    print(f"{'layer':68s} {'forward':>9s} {'GB/s':>5s} {'torch':>6s} {'backward':>9s} {'GB/s':>5s} {'torch':>6s}")
    for case in CASES:
        if not options.types or any(f'"{name}"' in case.text for name in options.types):
            print(line_of(case, options), flush=True)


def line_of(case: Case, options: argparse.Namespace) -> str:
    """Time one case and return its line: microseconds, GB/s and PyTorch's time over ours."""
    layer, bottom, top = ready(case)
    candidates = {"ours": clocked(lambda: layer.forward(bottom, top), ours_backward(layer, bottom, top))}
    if WITH_TORCH and case.torchs is not None:
        candidates["torch"] = torch_sample(case, layer, bottom)
    timings = interleave(candidates, options.blocks, options.samples)
    text = case.text.removeprefix("type: ") + (", in place" if case.in_place else "")
    return f"{text:68s} " + " ".join(_columns(timings, part, moved(layer, bottom, top)[part]) for part in (0, 1))


def _columns(timings: dict[str, Timing], part: int, amount: int) -> str:
    seconds = timings["ours"].median[part]
    if seconds == 0:
        return f"{'-':>9s} {'-':>5s} {'-':>6s}"
    ratio = f"{timings['torch'].median[part] / seconds:.2f}" if "torch" in timings else "-"
    return f"{1e6 * seconds:6.0f} us {amount / seconds / 1e9:5.0f} {ratio:>6s}"


def ready(case: Case) -> tuple[Layer, list[Blob], list[Blob]]:
    """Return the layer, set up, with its bottoms and tops filled."""
    generator = np.random.default_rng(0)
    layer = layer_from(case.text, np.float32)
    bottom = [Blob(shape) for shape in (SHAPE, *case.others)]
    for blob in bottom:
        blob.data[...] = generator.standard_normal(blob.shape, np.float32)
    top = set_up(layer, bottom)
    if case.in_place:
        top = bottom[:1]
        layer.reshape(bottom, top)
    layer.forward(bottom, top)
    for blob in top:
        blob.diff[...] = generator.standard_normal(blob.shape, np.float32)
    return layer, bottom, top


def ours_backward(layer: Layer, bottom: list[Blob], top: list[Blob]) -> Run | None:
    """Return the call that makes all gradients; None for a layer without."""
    if not layer.has_backward:
        return None
    wanted = [layer.layer_param.type != "Crop" or index == 0 for index in range(len(bottom))]
    return lambda: layer.backward(top, wanted, bottom)


def torch_sample(case: Case, layer: Layer, bottom: list[Blob]) -> Callable[[], Sample]:
    """Return a run of PyTorch's side on the same values; gradients are new tensors, so nothing is added."""
    assert case.torchs is not None
    has_backward = layer.has_backward
    inputs = [torch.from_numpy(blob.data.copy()) for blob in (*bottom, *layer.blobs)]
    for tensor in inputs:
        tensor.requires_grad_(has_backward and not case.in_place)
    output = torch.empty(0)

    def forward() -> None:
        nonlocal output
        output = case.torchs(*inputs)  # type: ignore[misc]

    forward()
    diff = torch.randn(output.shape)
    backward = None
    if output.requires_grad:

        def backward() -> None:
            torch.autograd.grad(output, inputs, diff, allow_unused=True)

    return clocked(forward, backward)


def clocked(forward: Run, backward: Run | None) -> Callable[[], Sample]:
    """Return a run that gives the seconds of forward and backward, 0 for one that is not there."""

    def sample() -> Sample:
        start = time.perf_counter()
        forward()
        middle = time.perf_counter()
        if backward is None:
            return middle - start, 0.0
        backward()
        return middle - start, time.perf_counter() - middle

    return sample


def moved(layer: Layer, bottom: list[Blob], top: list[Blob]) -> tuple[int, int]:
    """Return the bytes of forward (bottoms, tops) and backward (tops' diffs, bottoms' diffs, bottoms or tops)."""
    below, above = _bytes(bottom), _bytes(blob for blob in top if blob not in bottom)
    above = above or _bytes(top)
    return below + above, 2 * below + above


def _bytes(blobs: Iterable[Any]) -> int:
    return sum(blob.data.nbytes for blob in blobs)


if __name__ == "__main__":
    main()
