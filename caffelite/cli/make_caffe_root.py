"""`caffelite make-caffe-root`: a folder that old scripts take for Caffe's, built."""

from __future__ import annotations

import logging
import os
import shlex
import sys
from pathlib import Path

from caffelite.cli.command import COMMANDS, Arguments, command
from caffelite.cli.streams import write_stdout
from caffelite.core.errors import UsageError

LOGGER = logging.getLogger("caffelite")


@command("make-caffe-root", "make a folder that old scripts take for a built Caffe", flags=(), positionals="DIR")
def make_caffe_root(arguments: Arguments) -> None:
    """Write Caffe's programs and scripts, which run caffelite, into DIR, and print what was written.

    There are build/tools/caffe, convert_imageset and others, python/caffe, classify.py and others,
    tools/extra/parse_log.py and others, scripts/download_model_binary.py, and for Caffe's examples of MNIST and
    CIFAR-10 data/*/get_*.sh and examples/*/create_*.sh and train_*.sh, with their nets and solvers. They run the
    Python that runs this command. Nothing outside DIR is written.
    DIR may exist, and be Caffe's sources: files that are not caffelite's stay. For example:

      caffelite make-caffe-root ~/caffe
      cd ~/caffe
      ./build/tools/caffe train --solver=models/mine/solver.prototxt
      ./data/mnist/get_mnist.sh && ./examples/mnist/create_mnist.sh && ./examples/mnist/train_lenet.sh
      PYTHONPATH=~/caffe/python python script_that_imports_caffe.py
    """
    from caffelite import examples
    from caffelite.tools.caffe_root import make_caffe_root

    (name,) = arguments.positionals
    if not name:  # as "$CAFFE_ROOT" is where it is not set; it would be the working directory
        raise UsageError("make-caffe-root: DIR is empty; write . for the working directory")
    made = make_caffe_root(Path(name), sys.executable, frozenset(COMMANDS), examples.folder())
    for path in made.written:
        write_stdout(os.path.join(name, path))
    for path in made.kept:
        LOGGER.warning("%s is not caffelite's, and stays as it is", os.path.join(name, path))
    if "python/caffe" in made.kept:
        LOGGER.warning(
            "`import caffe` does not give caffelite from there: name another DIR, or use `%s alias`",
            " ".join(map(shlex.quote, arguments.program)),
        )
    else:
        place = shlex.quote(os.path.join(os.path.abspath(name), "python"))
        write_stdout(f"For Python programs that say `import caffe`: export PYTHONPATH={place}")
