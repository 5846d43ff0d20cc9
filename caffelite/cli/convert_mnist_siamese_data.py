"""`caffelite convert_mnist_siamese_data`. Source: examples/siamese/convert_mnist_siamese_data.cpp."""

from __future__ import annotations

from pathlib import Path

from caffelite.cli.command import Arguments, command
from caffelite.cli.counting import counting
from caffelite.cli.options import BACKEND


@command(
    "convert_mnist_siamese_data",
    "make a database of pairs of images in MNIST's form",
    flags=(BACKEND,),
    positionals="IMAGES LABELS DB",
)
def convert_mnist_siamese_data(arguments: Arguments) -> None:
    """Make the database DB, a new folder, of random pairs of IMAGES; the label is 1 if both have the same in LABELS.

    `caffelite dataset mnist_siamese` downloads the files, too. For example:

      caffelite convert_mnist_siamese_data train-images-idx3-ubyte train-labels-idx1-ubyte pairs_lmdb
    """
    from caffelite.tools.convert_mnist_siamese_data import convert_mnist_siamese_data

    images, labels, database = map(Path, arguments.positionals)
    with counting("pairs") as progress:
        convert_mnist_siamese_data(images, labels, database, arguments[BACKEND], progress)
