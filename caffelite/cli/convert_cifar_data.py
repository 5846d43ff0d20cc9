"""`caffelite convert_cifar_data`: databases of CIFAR-10's files. Source: examples/cifar10/convert_cifar_data.cpp."""

from __future__ import annotations

from pathlib import Path

from caffelite.cli.command import Arguments, command
from caffelite.cli.counting import counting


@command(
    "convert_cifar_data",
    "make databases of CIFAR-10's binary files",
    flags=(),
    positionals="IN_DIR OUT_DIR DB_TYPE",
)
def convert_cifar_data(arguments: Arguments) -> None:
    """Make OUT_DIR/cifar10_train_lmdb and cifar10_test_lmdb of data_batch_1.bin and the others in IN_DIR.

    DB_TYPE is lmdb or leveldb. `caffelite dataset cifar10` downloads the files, too. For example:

      caffelite convert_cifar_data cifar-10-batches-bin . lmdb
    """
    from caffelite.tools.convert_cifar_data import convert_cifar_data

    source, target, backend = arguments.positionals
    with counting("images") as progress:
        convert_cifar_data(Path(source), Path(target), backend, progress)
