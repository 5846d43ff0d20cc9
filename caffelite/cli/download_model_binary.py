"""`caffelite download_model_binary`: published weights. Source: scripts/download_model_binary.py."""

from __future__ import annotations

from pathlib import Path

from caffelite.cli.command import Arguments, command
from caffelite.cli.streams import write_stdout


@command("download_model_binary", "download the weights that a model's readme.md names", flags=(), positionals="DIR")
def download_model_binary(arguments: Arguments) -> None:
    """Download the caffemodel that DIR/readme.md names into DIR, unless it is there, check it, and print its path.

    readme.md begins with lines that give caffemodel (the file's name), caffemodel_url and sha1, between two lines
    of ---, as those of Caffe's models do. A download that was broken off goes on when it is started again. For example:

      caffelite example caffenet
      caffelite download_model_binary models/caffenet
    """
    from caffelite.datasets.published_weights import download_weights

    (folder,) = map(Path, arguments.positionals)
    write_stdout(str(download_weights(folder)))
