"""tests/oldest.txt, with which .ci/run tests, names the versions that pyproject.toml promises to work with."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LISTS = ("dependencies", "image", "plot", "draw", "leveldb", "onnx", "test")  # `dev` is for those who work on caffelite


def without_zeros(version):
    return re.sub(r"(\.0)+$", "", version)


def test_the_oldest_versions_are_those_of_pyproject():
    project = (ROOT / "pyproject.toml").read_text()
    lists = [re.search(rf"^{name} = \[(.*?)\]$", project, re.MULTILINE | re.DOTALL).group(1) for name in LISTS]
    promised = dict(re.findall(r'"([\w-]+)>=([\d.]+)(?:;[^"]*)?"', "".join(lists)))
    tested = dict(re.findall(r"^([\w-]+)==([\d.]+)$", (ROOT / "tests" / "oldest.txt").read_text(), re.MULTILINE))
    assert {name: without_zeros(version) for name, version in tested.items()} == {
        name: without_zeros(version) for name, version in promised.items()
    }
