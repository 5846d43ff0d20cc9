"""Time forward and backward of whole nets, here and in PyTorch: python tools/benchmarks/nets.py PROTOTXT:BATCH ..."""

import argparse
import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from feed import training_net, without_dropout
from timing import Sample, Timing, interleave, machine_text, ratio_text

from caffelite.proto.caffe_pb2 import TRAIN, NetParameter
from caffelite.pycaffe import Net

NETS = ["models/lenet/train_val_mnist.prototxt:64", "models/cifar10_full/train_val.prototxt:100"]
Run = Callable[[], Sample]


def main() -> None:
    """Read the command line and time each net."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("nets", nargs="*", metavar="PROTOTXT:BATCH", default=NETS, help="default: " + " ".join(NETS))
    parser.add_argument("--threads", type=int, default=2, help="of both libraries (default 2)")
    parser.add_argument("--blocks", type=int, default=5, help="turns of each candidate (default 5)")
    parser.add_argument("--samples", type=int, default=5, help="runs in a turn that count (default 5)")
    parser.add_argument("--sample", metavar="C,H,W", help="size of a sample, where no prototxt tells it")
    parser.add_argument("--channels-last", action="store_true", help="also time PyTorch with images stored as NHWC")
    parser.add_argument("--per-layer", action="store_true", help="also time each of our layers alone")
    options = parser.parse_args()
    with_torch = find_spec("torch") is not None
    _set_threads(options.threads, with_torch)
    print(machine_text(options.threads, ("caffelite", "numpy", "numba", "torch")))
    for spec in options.nets:
        path, _, batch = spec.rpartition(":")
        if not path or not batch.isdigit():
            parser.error(f"{spec}: write the file and the batch size, for instance {NETS[0]}")
        sample = tuple(map(int, options.sample.split(","))) if options.sample else None
        _time_net(training_net(Path(path), int(batch), sample), spec, options, with_torch)


def _set_threads(threads: int, with_torch: bool) -> None:
    if threads > (os.cpu_count() or 1):
        raise SystemExit(f"--threads is {threads}; this machine has {os.cpu_count()} cores")
    import numba

    numba.set_num_threads(threads)
    if with_torch:
        import torch

        torch.set_num_threads(threads)


def _time_net(message: NetParameter, title: str, options: argparse.Namespace, with_torch: bool) -> None:
    net = filled_net(message)
    candidates: dict[str, Run] = {"caffelite": _ours(net)}
    layouts = {"torch": False, **({"torch channels_last": True} if options.channels_last else {})}
    for name, channels_last in layouts.items() if with_torch else ():
        _check_loss(message, channels_last)
        candidates[name] = _torchs(net, channels_last)
    timings = interleave(candidates, options.blocks, options.samples)
    print(f"\n{title}: forward + backward, ms (fastest and slowest of {options.blocks} blocks)")
    for name, timing in timings.items():
        fastest, slowest = (1e3 * seconds for seconds in timing.spread())
        print(f"  {name:20s} {_milliseconds(timing)} ({fastest:.3f} to {slowest:.3f})")
    for name in list(timings)[1:]:
        print(f"  {name} / caffelite = {ratio_text(timings['caffelite'], timings[name])}")
    if options.per_layer:
        _print_layers(net, options)


def filled_net(message: NetParameter) -> Net:
    """Make the net, with random input and labels; weights that its file leaves at zero become random too."""
    net = Net(message, TRAIN, seed=1)
    generator = np.random.default_rng(1)
    net.blobs["data"].data[...] = generator.standard_normal(net.blobs["data"].shape)
    scores = [net.bottoms(index)[0][1] for index, layer in enumerate(net.layers) if layer.type == "SoftmaxWithLoss"]
    net.blobs["label"].data[...] = generator.integers(min(blob.channels for blob in scores), size=scores[0].num)
    for param in net.learnable_params:
        data = param.blob.data
        if data.ndim > 1 and not data.any():
            data[...] = generator.normal(0, np.sqrt(2 / data[0].size), data.shape)
    return net


def _ours(net: Net) -> Run:
    def run() -> Sample:
        start = time.perf_counter()
        net.forward_pass()
        middle = time.perf_counter()
        net.clear_param_diffs()
        net.backward_pass()
        return middle - start, time.perf_counter() - middle

    return run


def _torchs(net: Net, channels_last: bool) -> Run:
    from torch_net import TorchNet

    torch_net = TorchNet(net, channels_last)

    def run() -> Sample:
        start = time.perf_counter()
        loss = torch_net.forward()
        middle = time.perf_counter()
        torch_net.clear_param_diffs()
        loss.backward()
        return middle - start, time.perf_counter() - middle

    return run


def _check_loss(message: NetParameter, channels_last: bool) -> None:
    """Both sides must compute the same; SystemExit if they do not."""
    from torch_net import TorchNet

    net = filled_net(without_dropout(message))
    ours, torchs = net.forward_pass(), TorchNet(net, channels_last).forward().item()
    if not np.isclose(ours, torchs, rtol=1e-4):
        raise SystemExit(f"the loss is {ours:.6g} here and {torchs:.6g} in PyTorch: not the same net")


def _print_layers(net: Net, options: argparse.Namespace) -> None:
    def one(index: int) -> Run:
        def run() -> Sample:
            start = time.perf_counter()
            net.forward_from_to(index, index)
            middle = time.perf_counter()
            if net.layer_need_backward[index]:
                net.backward_from_to(index, index)
            return middle - start, time.perf_counter() - middle

        return run

    print("  each layer alone, the median")
    for index, layer in enumerate(net.layers):
        timing = interleave({layer.name: one(index)}, 1, options.samples)[layer.name]
        print(f"    {layer.name:24s} {layer.type:16s} {_milliseconds(timing)}")


def _milliseconds(timing: Timing) -> str:
    forward, backward = (1e3 * seconds for seconds in timing.median)
    return f"{forward:8.3f} + {backward:8.3f} = {forward + backward:8.3f}"


if __name__ == "__main__":
    main()
