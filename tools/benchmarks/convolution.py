"""Time the three products of convolutions, here and in PyTorch: python tools/benchmarks/convolution.py SHAPE ..."""

import argparse
import os
import re
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from timing import Sample, interleave, machine_text, ratio_text

from caffelite.core.aligned import aligned_zeros
from caffelite.core.kernels.convolution.choose import choose
from caffelite.core.kernels.convolution.geometry import Geometry

SHAPES = {
    "lenet conv1": "64x1x28x28-20k5",
    "lenet conv2": "64x20x12x12-50k5",
    "cifar10_full conv1": "100x3x32x32-32k5p2",
    "cifar10_full conv2": "100x32x16x16-32k5p2",
    "cifar10_full conv3": "100x32x8x8-64k5p2",
    "caffenet conv1": "16x3x227x227-96k11s4",
    "caffenet conv2": "16x96x27x27-256k5p2g2",
    "caffenet conv3": "16x256x13x13-384k3p1",
    "caffenet conv4": "16x384x13x13-384k3p1g2",
    "caffenet conv5": "16x384x13x13-256k3p1g2",
    "resnet18 conv1": "8x3x224x224-64k7s2p3",
    "resnet18 res2": "8x64x56x56-64k3p1",
    "resnet18 res3": "8x128x28x28-128k3p1",
    "resnet18 res4": "8x256x14x14-256k3p1",
    "resnet18 res5": "8x512x7x7-512k3p1",
    "resnet18 res3, first": "8x64x56x56-128k3s2p1",
    "resnet18 res3, shortcut": "8x64x56x56-128k1s2",
    "resnet18 res5, shortcut": "8x256x14x14-512k1s2",
    "googlenet conv2 reduce": "8x64x56x56-64k1",
    "googlenet conv2": "8x64x56x56-192k3p1",
    "googlenet 3a 3x3": "8x96x28x28-128k3p1",
    "googlenet 3a 5x5": "8x16x28x28-32k5p2",
    "googlenet 4a 1x1": "8x480x14x14-192k1",
    "googlenet 4a 5x5 reduce": "8x480x14x14-16k1",
    "googlenet 5a 1x1": "8x832x7x7-256k1",
    "squeezenet fire2 squeeze": "8x64x55x55-16k1",
    "squeezenet fire2 1x1": "8x16x55x55-64k1",
    "squeezenet fire2 3x3": "8x16x55x55-64k3p1",
    "squeezenet fire9 3x3": "8x64x13x13-256k3p1",
    "mobilenet conv2_1 dw": "4x32x112x112-32k3p1g32",
    "mobilenet conv2_2 dw": "4x64x112x112-64k3s2p1g64",
    "mobilenet conv4_1 dw": "4x256x28x28-256k3p1g256",
    "mobilenet conv5_1 dw": "4x512x14x14-512k3p1g512",
    "mobilenet conv6 dw": "4x1024x7x7-1024k3p1g1024",
    "mobilenet conv2_1 sep": "4x32x112x112-64k1",
    "mobilenet conv5_1 sep": "4x512x14x14-512k1",
    "mobilenet conv6 sep": "4x1024x7x7-1024k1",
}
SYNTAX = r"(\d+)x(\d+)x(\d+)x(\d+)-(\d+)k(\d+)(?:s(\d+))?(?:p(\d+))?(?:d(\d+))?(?:g(\d+))?"
OPERATIONS = ("forward", "weight gradient", "bottom gradient")
Run = Callable[[], Sample]


def main() -> None:
    """Read the command line and time each shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    shapes = " ".join(SHAPES.values())
    parser.add_argument(
        "shapes", nargs="*", metavar="SHAPE", help=f"NxCxHxW-OkK, then s (stride), p, d, g; default {shapes}"
    )
    parser.add_argument("--threads", type=int, default=2, help="of both libraries (default 2)")
    parser.add_argument("--blocks", type=int, default=5, help="turns of each candidate (default 5)")
    parser.add_argument("--samples", type=int, default=5, help="runs in a turn that count (default 5)")
    parser.add_argument("--channels-last", action="store_true", help="also time PyTorch with images stored as NHWC")
    options = parser.parse_args()
    with_torch = find_spec("torch") is not None
    set_threads(options.threads, with_torch)
    print(machine_text(options.threads, ("numpy", "numba", "torch")))
    titles = {shape: name for name, shape in SHAPES.items()}
    for shape in options.shapes or SHAPES.values():
        time_shape(titles.get(shape, ""), shape, options, with_torch)


def set_threads(threads: int, with_torch: bool) -> None:
    """Fix the number of threads of both libraries."""
    if threads > (os.cpu_count() or 1):
        raise SystemExit(f"--threads is {threads}; this machine has {os.cpu_count()} cores")
    import numba

    numba.set_num_threads(threads)
    if with_torch:
        import torch

        torch.set_num_threads(threads)


def geometry_from(shape: str) -> Geometry:
    """Read a shape such as 64x20x12x12-50k5p2."""
    match = re.fullmatch(SYNTAX, shape)
    if match is None:
        raise SystemExit(f"{shape}: write it as {SHAPES['cifar10_full conv1']}")
    num, channels, height, width, num_output, kernel = map(int, match.groups()[:6])
    stride, pad, dilation, group = (int(v or w) for v, w in zip(match.groups()[6:], (1, 0, 1, 1), strict=True))
    squares = (kernel, kernel, stride, stride, pad, pad, dilation, dilation)
    return Geometry(num, channels, height, width, num_output, group, *squares)


def time_shape(title: str, shape: str, options: argparse.Namespace, with_torch: bool) -> None:
    """Time each operation and print GFLOP/s, milliseconds and ratios."""
    geometry = geometry_from(shape)
    arrays = random_arrays(geometry)
    print(f"\n{shape} {title}")
    for index, operation in enumerate(OPERATIONS):
        candidates = {"caffelite": clocked(ours(geometry, operation, arrays))}
        if with_torch:
            candidates["torch"] = clocked(torchs(geometry, index, arrays, False))
            if options.channels_last:
                candidates["channels_last"] = clocked(torchs(geometry, index, arrays, True))
        timings = interleave(candidates, options.blocks, options.samples)
        text = f"  {operation:16s} {2e-9 * geometry.multiply_adds / timings['caffelite'].total:4.0f} GFLOP/s"
        text += f" {1e3 * timings['caffelite'].total:8.3f} ms"
        for name in list(timings)[1:]:
            text += f"  {name} / ours {ratio_text(timings['caffelite'], timings[name])}"
        print(text, flush=True)


def clocked(run: Callable[[], object]) -> Run:
    """Return a function that runs and gives the seconds."""

    def sample() -> Sample:
        start = time.perf_counter()
        run()
        return (time.perf_counter() - start,)

    return sample


def random_arrays(geometry: Geometry) -> dict[str, np.ndarray]:
    """Return normal values on 64-byte boundaries, as blobs have them."""
    g, generator = geometry, np.random.default_rng(0)
    shapes = {
        "bottom": (g.num, g.channels, g.height, g.width),
        "weight": (g.num_output, g.group_channels, g.kernel_h, g.kernel_w),
        "bias": (g.num_output,),
        "top": (g.num, g.num_output, g.out_height, g.out_width),
    }
    arrays = {name: aligned_zeros(shape) for name, shape in shapes.items()}
    for array in arrays.values():
        array[...] = generator.standard_normal(array.shape)
    return arrays


def ours(geometry: Geometry, operation: str, arrays: dict[str, np.ndarray]) -> Callable[[], object]:
    """Return a call of the kernel that the table chooses."""
    kernel = choose(f"convolution_{operation.replace(' ', '_')}", np.float32, geometry)
    bottom, weight, bias, top = arrays.values()
    target = aligned_zeros({"forward": top, "weight gradient": weight}.get(operation, bottom).shape)
    if operation == "forward":
        return lambda: kernel(weight, bias, bottom, target)
    return lambda: kernel(*((top, bottom) if operation == "weight gradient" else (weight, top)), target)


def torchs(geometry: Geometry, index: int, arrays: dict[str, np.ndarray], channels_last: bool) -> Callable[[], object]:
    """Return the same in PyTorch; its gradients are new arrays, so nothing is added."""
    import torch

    g = geometry
    bottom, weight, bias, top = (torch.from_numpy(array) for array in arrays.values())
    if channels_last:
        bottom, weight, top = (v.contiguous(memory_format=torch.channels_last) for v in (bottom, weight, top))
    window = ((g.stride_h, g.stride_w), (g.pad_h, g.pad_w), (g.dilation_h, g.dilation_w))
    if index == 0:
        return torch.no_grad()(lambda: torch.nn.functional.conv2d(bottom, weight, bias, *window, g.group))
    wanted = (index == 2, index == 1, False)
    backward = torch.ops.aten.convolution_backward
    return lambda: backward(top, bottom, weight, None, *window, False, [0, 0], g.group, wanted)


if __name__ == "__main__":
    main()
