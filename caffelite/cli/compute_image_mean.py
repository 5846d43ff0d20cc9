"""`caffelite compute_image_mean`: the mean of a database's images. Source: tools/compute_image_mean.cpp."""

from __future__ import annotations

from pathlib import Path

from caffelite.cli.command import Arguments, command
from caffelite.cli.counting import counting
from caffelite.cli.options import BACKEND


@command("compute_image_mean", "compute the mean of a database's images", flags=(BACKEND,), positionals="DB [OUT]")
def compute_image_mean(arguments: Arguments) -> None:
    """Write the mean of the images of DB to the file OUT, and log the mean of each channel; without OUT, log only.

    All images have one size. OUT is what mean_file of a net's transform_param names. For example:

      caffelite compute_image_mean pets_lmdb pets_mean.binaryproto
    """
    from caffelite.tools.compute_image_mean import compute_image_mean

    database, *out = map(Path, arguments.positionals)
    with counting("images") as progress:
        compute_image_mean(database, out[0] if out else None, arguments[BACKEND], progress)
