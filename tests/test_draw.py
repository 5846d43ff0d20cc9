"""caffelite.draw against what pycaffe's draw does (spec of pycaffe, 1.8 and test_draw)."""

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format

from caffelite import TEST, TRAIN, draw
from caffelite.core.errors import UsageError
from caffelite.proto import caffe_pb2

MODELS = sorted((Path(__file__).resolve().parents[1] / "models").glob("*/*.prototxt"))
SMALL = ("lenet", "siamese", "cifar10_quick", "lstm")
NET = """name: "tiny"
layer { name: "d" type: "Data" top: "data" top: "label" data_param { batch_size: 7 } include { phase: TRAIN } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 20 kernel_size: 5 } }
layer { name: "r" type: "ReLU" bottom: "c" top: "c" }
layer { name: "i" type: "InnerProduct" bottom: "c" top: "i" inner_product_param { num_output: 3 }
  exclude { phase: TEST } }
"""


def net_of(text):
    return text_format.Parse(text, caffe_pb2.NetParameter())


def layer_of(text):
    return text_format.Parse(text, caffe_pb2.LayerParameter())


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            p, marks=() if p.parent.name.startswith(SMALL) else pytest.mark.slow, id=f"{p.parent.name}/{p.stem}"
        )
        for p in MODELS
    ],
)
def test_draw_net(path):
    """The checklist's test_draw, with the picture looked at, too."""
    assert draw.draw_net(net_of(path.read_text()), "LR").startswith(b"\x89PNG\r\n")


CONVOLUTION = 'name: "c" type: "Convolution" convolution_param { kernel_size: 5 }'
POOLING = 'name: "p" type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 3 stride: 2 pad: 1 }'


@pytest.mark.parametrize(
    ("text", "rankdir", "lrm", "label"),
    [
        (CONVOLUTION, "LR", False, r'"c\n(Convolution)\nkernel size: 5\nstride: 1\npad: 0"'),
        (CONVOLUTION, "TB", False, '"c (Convolution) kernel size: 5 stride: 1 pad: 0"'),
        (
            'name: "c" type: "Deconvolution" convolution_param { kernel_size: [5, 3] stride: 2 pad: 4 } '
            "param { lr_mult: 0.5 }",
            "RL",
            True,
            r'"c\n(Deconvolution)\nkernel size: 5\nstride: 2\npad: 4\nlr mult: 0.5, 1.0"',
        ),
        (POOLING, "BT", True, '"p (Pooling STOCHASTIC) kernel size: 3 stride: 2 pad: 1"'),
        ('name: "i" type: "InnerProduct"', "LR", True, r'"i\n(InnerProduct)\nlr mult: 1.0, 1.0"'),
        (
            'name: "i" type: "InnerProduct" param { lr_mult: 0 } param { lr_mult: 0 }',
            "LR",
            True,
            r'"i\n(InnerProduct)"',
        ),
        ('name: "l" type: "LRN"', "LR", True, r'"l\n(LRN)"'),
        ('name: "a \\"b\\"" type: "LRN"', "LR", False, r'"a \"b\"\n(LRN)"'),
    ],
)
def test_layer_label(text, rankdir, lrm, label):
    assert draw.get_layer_label(layer_of(text), rankdir, display_lrm=lrm) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ('type: "Data" data_param { batch_size: 7 }', "Batch 7"),
        ('type: "Convolution" convolution_param { num_output: 20 }', "20"),
        ('type: "Deconvolution" convolution_param { num_output: 21 }', "21"),
        ('type: "InnerProduct" inner_product_param { num_output: 3 }', "3"),
        ('type: "ReLU"', '""'),
    ],
)
def test_edge_label(text, label):
    assert draw.get_edge_label(layer_of(text)) == label


def test_lr_mult():
    layer = 'name: "x" type: "InnerProduct"'
    assert draw.get_layer_lr_mult(layer_of(layer)) == (1, 1)
    assert draw.get_layer_lr_mult(layer_of(f"{layer} param {{ lr_mult: 3 }}")) == (3, 1)
    assert draw.get_layer_lr_mult(layer_of(f"{layer} param {{ lr_mult: 3 }} param {{ lr_mult: 0 }}")) == (3, 0)
    with pytest.raises(ValueError, match="param is given 3 times"):
        draw.get_layer_lr_mult(layer_of(f"{layer} param {{ }} param {{ }} param {{ }}"))
    with pytest.raises(ValueError, match=r'layer "x" \(ReLU\)'):
        draw.get_layer_lr_mult(layer_of('name: "x" type: "ReLU"'))


def test_colours_and_tables():
    types = ("Convolution", "Deconvolution", "Pooling", "InnerProduct", "ReLU")
    assert [draw.choose_color_by_layertype(name) for name in types] == [
        "#FF5050",
        "#FF5050",
        "#FF9900",
        "#CC33FF",
        "#6495ED",
    ]
    assert draw.get_pooling_types_dict() == {0: "MAX", 1: "AVE", 2: "STOCHASTIC"}
    assert draw.LAYER_STYLE_DEFAULT == {"shape": "record", "fillcolor": "#6495ED", "style": "filled"}
    assert draw.NEURON_LAYER_STYLE == {"shape": "record", "fillcolor": "#90EE90", "style": "filled"}
    assert draw.BLOB_STYLE == {"shape": "octagon", "fillcolor": "#E0E0E0", "style": "filled"}


def test_graph():
    graph = draw.get_pydot_graph(net_of(NET), "LR")
    assert (graph.get_name(), graph.get_type(), graph.get_rankdir()) == ('"tiny"', "digraph", "LR")
    nodes = {node.get_name().strip('"'): node.get_attributes() for node in graph.get_nodes()}
    assert set(nodes) == {
        "d_Data",
        "c_Convolution",
        "r_ReLU",
        "i_InnerProduct",
        "data_blob",
        "label_blob",
        "c_blob",
        "i_blob",
    }
    assert (nodes["r_ReLU"]["fillcolor"], nodes["c_Convolution"]["fillcolor"]) == ("#90EE90", "#FF5050")
    assert (nodes["c_blob"]["shape"], nodes["data_blob"]["shape"]) == ("octagon", "octagon")
    assert "shape" not in nodes["label_blob"]  # nobody reads it
    edges = {(e.get_source().strip('"'), e.get_destination().strip('"'), e.get_label()) for e in graph.get_edges()}
    assert edges == {
        ("d_Data", "data_blob", "Batch 7"),
        ("d_Data", "label_blob", "Batch 7"),
        ("data_blob", "c_Convolution", '""'),
        ("c_Convolution", "c_blob", "20"),
        ("c_blob", "r_ReLU", '""'),
        ("r_ReLU", "c_blob", '""'),
        ("c_blob", "i_InnerProduct", '""'),
        ("i_InnerProduct", "i_blob", "3"),
    }
    assert {edge.get_label() for edge in draw.get_pydot_graph(net_of(NET), "LR", label_edges=False).get_edges()} == {
        '""'
    }
    assert draw.get_pydot_graph(net_of(""), "LR").get_name() == '"Net"'


def layers_in(text, phase):
    names = (node.get_name().strip('"') for node in draw.get_pydot_graph(net_of(text), "LR", phase=phase).get_nodes())
    return sorted(name for name in names if not name.endswith("_blob"))


def test_phases():
    both = ["c_Convolution", "d_Data", "i_InnerProduct", "r_ReLU"]
    assert layers_in(NET, None) == layers_in(NET, TRAIN) == both
    assert layers_in(NET, TEST) == ["c_Convolution", "r_ReLU"]
    two = 'layer { name: "x" type: "ReLU" include { phase: TRAIN } exclude { phase: TEST } }'
    assert layers_in(two, None) == ["x_ReLU"]
    with pytest.raises(ValueError, match='layer "x" has include and exclude rules'):
        layers_in(two, TRAIN)


def test_to_a_file(tmp_path):
    draw.draw_net_to_file(net_of(NET), str(tmp_path / "a.b.svg"), phase=TRAIN)
    assert b"<svg" in (tmp_path / "a.b.svg").read_bytes()
    with pytest.raises(UsageError, match='"foo" is no format'):
        draw.draw_net_to_file(net_of(NET), tmp_path / "a.foo")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.b.svg"]


def test_without_pydot(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydot", None)
    with pytest.raises(UsageError, match=r"pip install 'caffelite\[draw\]'"):
        draw.get_pydot_graph(net_of(NET), "LR")


def test_import_as_caffe_draw():
    script = "import caffelite; caffelite.install_as_caffe(); import caffe.draw; print(caffe.draw.BLOB_STYLE['shape'])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "octagon\n"
