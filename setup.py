"""Build step: the message descriptors are generated from proto/caffe.proto, also for an editable install."""

import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))


class BuildWithProto(build_py):
    """build_py that first writes caffelite/proto/caffe.desc."""

    def run(self) -> None:
        """Generate into the build folder, or beside the sources when they are installed in place."""
        from generate_proto import generate

        super().run()
        base = ROOT if self.editable_mode else Path(self.build_lib)
        generate(base / "caffelite" / "proto")


setup(cmdclass={"build_py": BuildWithProto})
