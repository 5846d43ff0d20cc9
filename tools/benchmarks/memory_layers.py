"""Time layers other than convolution, here and in PyTorch: python tools/benchmarks/memory_layers.py [NAME ...]."""

import argparse
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from convolution import set_threads
from timing import Sample, interleave, machine_text, ratio_text

from caffelite.core.blob import Blob
from caffelite.testing import blob_of, layer_from, set_up

Shape = tuple[int, ...]


class Case(NamedTuple):
    """A layer's prototxt, the shapes of its bottoms, and the same in PyTorch: a function of torch.nn.functional F."""

    name: str
    text: str
    shapes: tuple[Shape, ...]
    torch: Callable[..., Any]
    labels: int = 0  # classes, if the last bottom holds labels


def pooling(name: str, shape: Shape, kind: str, kernel: int, stride: int, pad: int = 0) -> Case:
    """Return the case of a pooling layer with square windows."""
    text = f"pool: {kind} kernel_size: {kernel} stride: {stride} pad: {pad}"
    function = "max_pool2d" if kind == "MAX" else "avg_pool2d"
    return Case(
        name,
        f'type: "Pooling" pooling_param {{ {text} }}',
        (shape,),
        lambda F, x: getattr(F, function)(x, kernel, stride, pad, ceil_mode=True),
    )


def across(name: str, shape: Shape) -> Case:
    """Return the case of LRN over channels, as AlexNet has it."""
    text = 'type: "LRN" lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }'
    return Case(name, text, (shape,), lambda F, x: F.local_response_norm(x, 5, 1e-4, 0.75, 1.0))


def within(name: str, shape: Shape) -> Case:
    """Return the case of LRN within channels, as cifar10_full has it; PyTorch users write it with avg_pool2d."""
    text = 'type: "LRN" lrn_param { local_size: 3 alpha: 5e-5 beta: 0.75 norm_region: WITHIN_CHANNEL }'
    return Case(name, text, (shape,), lambda F, x: x * (1 + 5e-5 * F.avg_pool2d(x * x, 3, 1, 1)).pow(-0.75))


def inner_product(name: str, num: int, values: int, num_output: int) -> Case:
    """Return the case of a fully connected layer; its weights are made in `torch_run`."""
    param = f'num_output: {num_output} weight_filler {{ type: "xavier" }}'
    text = f'type: "InnerProduct" inner_product_param {{ {param} }}'
    return Case(name, text, ((num, values),), lambda F, x, weight, bias: F.linear(x, weight, bias))


CASES = [
    pooling("lenet pool1", (64, 20, 24, 24), "MAX", 2, 2),
    pooling("lenet pool2", (64, 50, 8, 8), "MAX", 2, 2),
    inner_product("lenet ip1", 64, 800, 500),
    inner_product("lenet ip2", 64, 500, 10),
    Case("lenet relu1", 'type: "ReLU"', ((64, 500),), lambda F, x: F.relu(x)),
    Case("lenet loss", 'type: "SoftmaxWithLoss"', ((64, 10), (64,)), lambda F, x, label: F.cross_entropy(x, label), 10),
    pooling("cifar10_full pool1", (100, 32, 32, 32), "MAX", 3, 2),
    Case("cifar10_full relu1", 'type: "ReLU"', ((100, 32, 16, 16),), lambda F, x: F.relu(x)),
    within("cifar10_full norm1", (100, 32, 16, 16)),
    pooling("cifar10_full pool2", (100, 32, 16, 16), "AVE", 3, 2),
    within("cifar10_full norm2", (100, 32, 8, 8)),
    pooling("cifar10_full pool3", (100, 64, 8, 8), "AVE", 3, 2),
    inner_product("cifar10_full ip1", 100, 1024, 10),
    pooling("caffenet pool1", (16, 96, 55, 55), "MAX", 3, 2),
    across("caffenet norm1", (16, 96, 27, 27)),
    inner_product("caffenet fc6", 16, 9216, 4096),
    inner_product("caffenet fc8", 16, 4096, 1000),
    pooling("googlenet pool5", (8, 1024, 7, 7), "AVE", 7, 1),
    pooling("resnet pool1", (8, 64, 112, 112), "MAX", 3, 2, 1),
    Case("resnet eltwise", 'type: "Eltwise"', ((8, 256, 56, 56),) * 2, lambda F, x, y: x + y),
    Case("sigmoid", 'type: "Sigmoid"', ((64, 4096),), lambda F, x: x.sigmoid()),
    Case("tanh", 'type: "TanH"', ((64, 4096),), lambda F, x: x.tanh()),
    Case("dropout", 'type: "Dropout"', ((64, 4096),), lambda F, x: F.dropout(x, 0.5)),
    Case("softmax", 'type: "Softmax"', ((64, 1000),), lambda F, x: F.softmax(x, 1)),
]


def main() -> None:
    """Read the command line and time each layer, forward and backward."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases whose name contains this; default all")
    parser.add_argument("--threads", type=int, default=2, help="of both libraries (default 2)")
    parser.add_argument("--blocks", type=int, default=5, help="turns of each candidate (default 5)")
    parser.add_argument("--samples", type=int, default=5, help="runs in a turn that count (default 5)")
    options = parser.parse_args()
    with_torch = find_spec("torch") is not None
    set_threads(options.threads, with_torch)
    print(machine_text(options.threads, ("numpy", "numba", "torch")))
    print("microseconds here; PyTorch / here, with the lowest and highest of the blocks")
    for case in CASES:
        if not options.names or any(name in case.name for name in options.names):
            time_case(case, options, with_torch)


def time_case(case: Case, options: argparse.Namespace, with_torch: bool) -> None:
    """Time one layer and print a line."""
    bottoms = random_bottoms(case)
    forward, backward, params = our_runs(case, bottoms)
    runs = {"forward": {"ours": forward}, "backward": {"ours": backward}}
    if with_torch:
        runs["forward"]["torch"], runs["backward"]["torch"] = torch_runs(case, bottoms, params)
    text = f"{case.name:20s}"
    for direction, candidates in runs.items():
        timings = interleave({name: clocked(run) for name, run in candidates.items()}, options.blocks, options.samples)
        text += f" {direction} {1e6 * timings['ours'].total:9.1f}"
        if "torch" in timings:
            text += f"  {ratio_text(timings['ours'], timings['torch']):24s}"
    print(text.rstrip(), flush=True)


def clocked(run: Callable[[], object]) -> Callable[[], Sample]:
    """Return a function that runs and gives the seconds."""

    def sample() -> Sample:
        start = time.perf_counter()
        run()
        return (time.perf_counter() - start,)

    return sample


def random_bottoms(case: Case) -> list[Blob]:
    """Return blobs of normal values; the last one of labels, if there are any."""
    generator = np.random.default_rng(0)
    values: list[Any] = [generator.standard_normal(shape) for shape in case.shapes]
    if case.labels:
        values[-1] = generator.integers(0, case.labels, case.shapes[-1])
    return [blob_of(array, np.float32) for array in values]


def our_runs(case: Case, bottoms: list[Blob]) -> tuple[Callable[[], object], Callable[[], object], list[Blob]]:
    """Return a forward and a backward of our layer, and its parameters."""
    layer = layer_from(case.text, np.float32)
    top = set_up(layer, bottoms)
    layer.forward(bottoms, top)
    if not case.labels:
        top[0].diff[...] = np.random.default_rng(1).standard_normal(top[0].shape)
    wanted = [not case.labels or index < len(bottoms) - 1 for index in range(len(bottoms))]
    return lambda: layer.forward(bottoms, top), lambda: layer.backward(top, wanted, bottoms), layer.blobs


def torch_runs(case: Case, bottoms: list[Blob], params: list[Blob]) -> tuple[Callable[[], object], ...]:
    """Return the same in PyTorch, without and with the record that its backward needs."""
    import torch

    inputs = [torch.from_numpy(blob.data) for blob in (*bottoms, *params)]
    if case.labels:
        inputs[-1] = inputs[-1].long()
    wanted = [tensor.requires_grad_() for tensor in inputs if tensor.is_floating_point()]
    out = case.torch(torch.nn.functional, *inputs)
    diff = torch.ones_like(out)
    forward = torch.no_grad()(lambda: case.torch(torch.nn.functional, *inputs))
    return forward, lambda: torch.autograd.grad(out, wanted, diff, retain_graph=True)


if __name__ == "__main__":
    main()
