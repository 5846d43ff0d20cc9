"""Build step: proto/caffe.proto becomes descriptors, also for an editable install; models/ and solvers/ are packed."""

import shutil
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))

# what `caffelite example` copies; without the scripts that wrote some of the nets
EXAMPLES = (
    "models/*/*.prototxt",
    "models/*/*.caffemodel",
    "models/*/readme.md",
    "models/lessons/*.py",
    "models/lessons/*/*.*",  # `caffelite lesson` runs these
    "solvers/*.prototxt",
)


class BuildWithProto(build_py):
    """build_py that also writes caffelite/proto/caffe.desc and, unless editable, puts the examples into the package."""

    def run(self) -> None:
        """Generate beside the sources, since a Python started in the checkout imports those, and into the build."""
        from generate_proto import generate

        super().run()
        generate(ROOT / "caffelite" / "proto")
        if not self.editable_mode:
            package = Path(self.build_lib) / "caffelite"
            generate(package / "proto")
            copy_examples(package / "examples")


def copy_examples(target: Path) -> None:
    """Copy the examples to `target`, whose models and solvers are no others then: it may be of an older version."""
    for folder in ("models", "solvers"):
        shutil.rmtree(target / folder, ignore_errors=True)
    for pattern in EXAMPLES:
        for path in sorted(ROOT.glob(pattern)):
            copy = target / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


setup(cmdclass={"build_py": BuildWithProto})
