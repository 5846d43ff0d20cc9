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
        """Generate beside the sources, since a Python started in the checkout imports those, and into the build."""
        from generate_proto import generate

        super().run()
        generate(ROOT / "caffelite" / "proto")
        if not self.editable_mode:
            generate(Path(self.build_lib) / "caffelite" / "proto")


setup(cmdclass={"build_py": BuildWithProto})
