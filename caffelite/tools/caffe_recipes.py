"""What Caffe's recipes name: scripts that fetch data, make databases and train, and the nets and solvers for them.

The scripts are written anew in Caffe's places, and the nets and solvers are those that come with caffelite, with the
paths that Caffe's recipes use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

FENCE = "---\n"  # the line above and below what a readme.md says of weights

# Scripts of one command: they put the original files beside themselves.
GET = {
    "data/mnist/get_mnist.sh": 'dataset mnist --originals --out="$(dirname "$0")" "$@"',
    "data/cifar10/get_cifar10.sh": 'dataset cifar10 --originals --out="$(dirname "$0")" "$@"',
}

# Scripts that run the programs below build/, from wherever they are started. What they make is made anew.
RECIPE = """#!/bin/sh
# Caffe's {what}, {mark}.
set -e
cd "$(dirname "$0")/../.."
{lines}
"""


def _create_mnist(pairs: str, folder: str, program: str, kind: str) -> str:
    """Return the lines that make two databases of MNIST's files by a program of Caffe's."""
    lines = [
        _require("data/mnist/train-images-idx3-ubyte", "data/mnist/get_mnist.sh"),
        f"rm -rf {folder}/{pairs}_train_{kind} {folder}/{pairs}_test_{kind}",
    ]
    for part, files in (("train", "train"), ("test", "t10k")):
        originals = f"data/mnist/{files}-images-idx3-ubyte data/mnist/{files}-labels-idx1-ubyte"
        lines.append(f"build/{folder}/{program} {originals} {folder}/{pairs}_{part}_{kind}")
    return "\n".join(lines)


def _require(file: str, script: str) -> str:
    """Return the line that ends a recipe, before it removes anything, where the file is missing."""
    return f"""[ -f {file} ] || {{ echo "$0: there is no {file}; run ./{script} first" >&2; exit 1; }}"""


def _train(*solvers: str) -> str:
    """Return the lines that train by one solver after the other, each given with the options that are its own."""
    return "\n".join(f'build/tools/caffe train --solver={solver} "$@"' for solver in solvers)


CIFAR10 = "examples/cifar10"
RECIPES = {
    "examples/mnist/create_mnist.sh": _create_mnist("mnist", "examples/mnist", "convert_mnist_data", "lmdb"),
    "examples/mnist/train_lenet.sh": _train("examples/mnist/lenet_solver.prototxt"),
    "examples/siamese/create_mnist_siamese.sh": _create_mnist(
        "mnist_siamese", "examples/siamese", "convert_mnist_siamese_data", "leveldb"
    ),
    "examples/siamese/train_mnist_siamese.sh": _train("examples/siamese/mnist_siamese_solver.prototxt"),
    "examples/cifar10/create_cifar10.sh": f"""\
{_require("data/cifar10/data_batch_1.bin", "data/cifar10/get_cifar10.sh")}
rm -rf {CIFAR10}/cifar10_train_lmdb {CIFAR10}/cifar10_test_lmdb
build/{CIFAR10}/convert_cifar_data data/cifar10 {CIFAR10} lmdb
build/tools/compute_image_mean {CIFAR10}/cifar10_train_lmdb {CIFAR10}/mean.binaryproto""",
    "examples/cifar10/train_quick.sh": _train(
        f"{CIFAR10}/cifar10_quick_solver.prototxt",
        f"{CIFAR10}/cifar10_quick_solver_lr1.prototxt --snapshot={CIFAR10}/cifar10_quick_iter_4000.solverstate",
    ),
    "examples/cifar10/train_full.sh": _train(
        f"{CIFAR10}/cifar10_full_solver.prototxt",
        f"{CIFAR10}/cifar10_full_solver_lr1.prototxt --snapshot={CIFAR10}/cifar10_full_iter_60000.solverstate",
        f"{CIFAR10}/cifar10_full_solver_lr2.prototxt --snapshot={CIFAR10}/cifar10_full_iter_65000.solverstate",
    ),
    "examples/imagenet/train_caffenet.sh": _train("models/bvlc_reference_caffenet/solver.prototxt"),
    "examples/imagenet/make_imagenet_mean.sh": (
        "build/tools/compute_image_mean examples/imagenet/ilsvrc12_train_lmdb data/ilsvrc12/imagenet_mean.binaryproto"
    ),
}


class Paths(NamedTuple):
    """Files of Caffe's and those of caffelite's that take their place, and how paths in their text are changed."""

    files: Mapping[str, str]
    changes: Mapping[str, str]


def _published(caffe: str, ours: str, solver: str, snapshots: str) -> Paths:
    """Return the paths of a net for ImageNet whose weights were published with Caffe."""
    names = ("deploy.prototxt", "train_val.prototxt", "readme.md")
    return Paths(
        {f"models/{caffe}/{name}": f"models/{ours}/{name}" for name in names}
        | {f"models/{caffe}/{solver}": f"solvers/{ours}.prototxt"},
        {
            f"models/{ours}/": f"models/{caffe}/",
            f"snapshots/{ours}": f"models/{caffe}/{snapshots}",
            "data/imagenet_mean": "data/ilsvrc12/imagenet_mean",
            "data/imagenet_": "examples/imagenet/ilsvrc12_",
        },
    )


def _cifar10(name: str, stages: tuple[str, ...]) -> Paths:
    files = {
        f"{CIFAR10}/{name}.prototxt": f"models/{name}/deploy.prototxt",
        f"{CIFAR10}/{name}_train_test.prototxt": f"models/{name}/train_val.prototxt",
    }
    files |= {f"{CIFAR10}/{name}_solver{stage}.prototxt": f"solvers/{name}{stage}.prototxt" for stage in stages}
    return Paths(
        files,
        {
            f"models/{name}/train_val.prototxt": f"{CIFAR10}/{name}_train_test.prototxt",
            f"snapshots/{name}": f"{CIFAR10}/{name}",
            "data/cifar10_mean": f"{CIFAR10}/mean",
            "data/cifar10_": f"{CIFAR10}/cifar10_",
        },
    )


NETS = (
    Paths(
        {
            "examples/mnist/lenet.prototxt": "models/lenet/deploy.prototxt",
            "examples/mnist/lenet_train_test.prototxt": "models/lenet/train_val_mnist.prototxt",
            "examples/mnist/lenet_solver.prototxt": "solvers/lenet_mnist.prototxt",
        },
        {
            "models/lenet/train_val_mnist.prototxt": "examples/mnist/lenet_train_test.prototxt",
            "snapshots/lenet_mnist": "examples/mnist/lenet",
            "data/mnist_": "examples/mnist/mnist_",
        },
    ),
    Paths(
        {
            "examples/siamese/mnist_siamese.prototxt": "models/siamese/deploy.prototxt",
            "examples/siamese/mnist_siamese_train_test.prototxt": "models/siamese/train_val_mnist.prototxt",
            "examples/siamese/mnist_siamese_solver.prototxt": "solvers/siamese_mnist.prototxt",
        },
        {
            "models/siamese/train_val_mnist.prototxt": "examples/siamese/mnist_siamese_train_test.prototxt",
            "snapshots/siamese_mnist": "examples/siamese/mnist_siamese",
            "data/mnist_siamese_": "examples/siamese/mnist_siamese_",
            '_lmdb" backend: LMDB': '_leveldb" backend: LEVELDB',
        },
    ),
    _cifar10("cifar10_quick", ("", "_lr1")),
    _cifar10("cifar10_full", ("", "_lr1", "_lr2")),
    _published("bvlc_reference_caffenet", "caffenet", "solver.prototxt", "caffenet_train"),
    _published("bvlc_alexnet", "alexnet", "solver.prototxt", "caffe_alexnet_train"),
    _published("bvlc_googlenet", "googlenet", "quick_solver.prototxt", "bvlc_googlenet_quick"),
)


def recipes(mark: str) -> Iterator[tuple[str, str]]:
    """Give the path, seen from the root, and the text of each script that runs programs below build/."""
    for name, lines in RECIPES.items():
        yield name, RECIPE.format(what=name, mark=mark, lines=lines)


def nets(included: Path, mark: str) -> Iterator[tuple[str, str]]:
    """Give the path, seen from the root, and the text of each net and solver; of a readme.md, what it says of weights.

    `included` is the folder that holds models/ and solvers/. The mark stands in a comment of the first lines.
    """
    for paths in NETS:
        for name, ours in paths.files.items():
            comment = f"# caffelite's {ours}, in place of Caffe's {name}; {mark}.\n"
            text = (included / ours).read_text(encoding="utf-8")
            if name.endswith(".md"):
                _, weights, _ = text.split(FENCE, 2)
                yield name, f"{FENCE}{comment}{weights}{FENCE}"
                continue
            for old, new in paths.changes.items():
                text = text.replace(old, new)
            yield name, comment + re.sub(r"\A(#.*\n)+", "", text)  # its first comment tells of caffelite's places
