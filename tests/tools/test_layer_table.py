import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from caffelite.core.layer import LAYERS, layer_type_list

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def page():
    command = [sys.executable, ROOT / "tools/layer_table.py"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_has_a_section_for_each_type(page):
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == layer_type_list()


def test_leads_to_the_section_of_each_type(page):
    """The anchors of headings are in small letters, and numbered from the second of one name on."""
    assert "[UnPooling](#unpooling), [Unpooling](#unpooling-1)," in page


def test_names_the_fields_with_types_and_defaults(page):
    pooling = page.split("## Pooling\n")[1].split("\n## ")[0]
    assert "| `pooling_param` | type | default |" in pooling
    assert "| `pool` | MAX, AVE, STOCHASTIC | MAX |" in pooling
    assert "| `stride` | uint32 | 1 |" in pooling
    assert "bottom[0]: (N, C, H, W)." in pooling
    convolution = page.split("## Deconvolution\n")[1].split("\n## ")[0]
    assert "| `bias_term` | bool | true |" in convolution
    assert "| `kernel_size` | uint32, repeated |  |" in convolution


def test_names_only_what_the_layer_reads(page):
    data = page.split("## Data\n")[1].split("\n## ")[0]
    fields = data.split("| `data_param`")[1].split("| `transform_param`")[0]
    assert "`batch_size`" in fields
    assert "`scale`" not in fields and "`rand_skip`" not in fields
    assert "pooling_param" not in page.split("## SPP\n")[1].split("\n## ")[0]


def test_the_committed_page_is_the_present_one(page):
    committed = (ROOT / "docs/layers.md").read_text()
    assert committed == page, "run: python tools/layer_table.py > docs/layers.md"


def test_the_readme_lists_all_types():
    readme = (ROOT / "README.md").read_text().split("## Layers\n")[1].split(".\n")[0]
    assert sorted(readme.replace("\n", " ").strip().split(", ")) == sorted(layer_type_list())


def test_a_layer_of_a_fork_says_whose_it_is():
    table = runpy.run_path(str(ROOT / "tools/layer_table.py"))
    plain = LAYERS["ReLU"][0].layer_class
    made = type("Made", (plain,), {"fork": "SSD", "__doc__": "Make.", "__module__": plain.__module__})
    assert table["described"](made).endswith("`Made` in `caffelite/core/layers/relu.py`. From SSD, not in Caffe 1.0.\n")
    assert "not in Caffe" not in table["described"](plain)
