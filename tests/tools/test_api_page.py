import re
import runpy
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import caffelite

ROOT = Path(__file__).resolve().parents[2]
MODULES = ["io", "net_spec", "layer", "testing"]
NO_ENTRY = {"Array", "Blobs", "Shape", "State", "caffe_pb2"}  # types and a module, named in the text


@pytest.fixture(scope="module")
def tool():
    return runpy.run_path(str(ROOT / "tools/api_page.py"))


@pytest.fixture(scope="module")
def page(tool):
    return "\n".join(tool["page"](tool["TEMPLATE"].read_text())) + "\n"


def test_the_committed_page_is_the_present_one(page):
    assert (ROOT / "docs/api.md").read_text() == page, "run: python tools/api_page.py > docs/api.md"


@pytest.mark.parametrize("module", ["", *MODULES])
def test_has_an_entry_for_each_public_name(module, page):
    home = import_module(f"caffelite.{module}") if module else caffelite
    names = [name for name in home.__all__ if not (home is caffelite and isinstance(getattr(home, name), ModuleType))]
    entries = set(re.findall(r"^### (\w+)$", page, re.MULTILINE))
    # constants and objects are named in the text
    missing = {name for name in names if not name.startswith("_") and name not in entries | NO_ENTRY}
    assert {name for name in missing if f"`{name}`" not in page} == set()
    assert missing <= {"TEST", "TRAIN", "layers", "params"}


def test_says_something_of_each_entry(page):
    for signature, text in re.findall(r"^(?:- )?`((?:class )?[\w.]+\(?.*)`\n\n *(.*)$", page, re.MULTILINE):
        assert re.match(r"[\w`(|]", text), f"{signature} has no docstring"


def test_signatures_are_those_of_the_source(page):
    assert "`Net.save(path: WeightsFile)`" in page
    assert "- `Net.params: OrderedDict[str, BlobVec]`\n\n  Parameter blobs of each layer" in page
    assert "\n`class BlobSpec(shape: Shape, filler: caffe_pb2.FillerParameter)`\n" in page
    assert "\n`class UnknownNameError(CaffeliteError, KeyError)`\n" in page
    assert "`digits(part: str = 'test') -> tuple[Array, Array]`" in page


def test_arguments_of_every_kind(tool):
    def function(a: int, /, b, c: int = 2, *rest: str, d=3, e: int, **more: float) -> None:
        """Test."""

    def named(self, *, x: int = 1) -> list[int]:
        """Test."""

    assert tool["signature"](function) == "(a: int, /, b, c: int = 2, *rest: str, d=3, e: int, **more: float)"
    assert tool["signature"](named) == "(*, x: int = 1) -> list[int]"


def test_examples_in_docstrings_become_blocks(tool):
    text = tool["markdown"]("First.\n\nThen::\n\n    a = 1\n\n    b = 2\n\nname: what\nother: that")
    assert text == "First.\n\nThen:\n\n```python\na = 1\n\nb = 2\n```\n\nname: what\\\nother: that"
