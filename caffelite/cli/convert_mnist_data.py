"""`caffelite convert_mnist_data`: a database of MNIST's files. Source: examples/mnist/convert_mnist_data.cpp."""

from __future__ import annotations

from pathlib import Path

from caffelite.cli.command import Arguments, command
from caffelite.cli.counting import counting
from caffelite.cli.options import BACKEND


@command(
    "convert_mnist_data",
    "make a database of files in MNIST's form",
    flags=(BACKEND,),
    positionals="IMAGES LABELS DB",
)
def convert_mnist_data(arguments: Arguments) -> None:
    """Make the database DB, a new folder, of the files IMAGES and LABELS, which are not compressed.

    `caffelite dataset mnist` downloads the files, too. For example:

      caffelite convert_mnist_data train-images-idx3-ubyte train-labels-idx1-ubyte mnist_train_lmdb
    """
    from caffelite.tools.convert_mnist_data import convert_mnist_data

    images, labels, database = map(Path, arguments.positionals)
    with counting("images") as progress:
        convert_mnist_data(images, labels, database, arguments[BACKEND], progress)
