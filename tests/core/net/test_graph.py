"""What nets cost, against figures from elsewhere, and the graph before and after the Splits."""

from pathlib import Path

import pytest

import caffelite
from caffelite.core.net.graph import Edge

MODELS = Path(__file__).parents[3] / "models"

# per image; those of AlexNet are 724 million in the usual tables, and 61 million parameters
LENET = {"conv1": 20 * 24 * 24 * 25, "conv2": 50 * 8 * 8 * 20 * 25, "ip1": 500 * 800, "ip2": 10 * 500}
ALEXNET = {
    "conv1": 105_415_200,
    "conv2": 223_948_800,
    "conv3": 149_520_384,
    "conv4": 112_140_288,
    "conv5": 74_760_192,
    "fc6": 37_748_736,
    "fc7": 16_777_216,
    "fc8": 4_096_000,
}


@pytest.mark.parametrize(
    ("model", "multiply_adds", "parameters"), [("lenet", LENET, 431_080), ("alexnet", ALEXNET, 60_965_224)]
)
def test_known_nets_cost_what_is_known(model, multiply_adds, parameters):
    net = caffelite.Net(MODELS / model / "deploy.prototxt", caffelite.TEST)
    batch = net.blobs["data"].shape[0]
    graph = net.graph()
    found = {node.name: node.cost.multiply_adds // batch for node in graph.nodes if node.cost.multiply_adds}
    assert found == multiply_adds
    assert graph.cost.multiply_adds == batch * sum(multiply_adds.values())
    assert graph.cost.parameters == parameters


BRANCHES = """
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }
layer { name: "relu" type: "ReLU" bottom: "x" top: "x" }
layer { name: "pool" type: "Pooling" bottom: "x" top: "p" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "up" type: "Deconvolution" bottom: "p" top: "u" convolution_param { num_output: 3 kernel_size: 2 stride: 2
        group: 3 bias_term: false } }
layer { name: "sum" type: "Eltwise" bottom: "x" bottom: "u" top: "s" }
layer { name: "norm" type: "LRN" bottom: "s" top: "n" }
"""


@pytest.fixture
def net(tmp_path):
    def make(text):
        path = tmp_path / "net.prototxt"
        path.write_text(text)
        return caffelite.Net(path, caffelite.TEST)

    return make


def named(graph):
    return [(graph.nodes[edge.source].name, graph.nodes[edge.target].name, edge.blob) for edge in graph.edges]


def test_the_graph_is_what_the_user_wrote(net):
    graph = net(BRANCHES).graph()
    assert [node.name for node in graph.nodes] == ["in", "relu", "pool", "up", "sum", "norm"]
    assert graph.edges[0] == Edge(0, 1, "x")
    assert named(graph) == [
        ("in", "relu", "x"),
        ("relu", "pool", "x"),
        ("pool", "up", "p"),
        ("relu", "sum", "x"),
        ("up", "sum", "u"),
        ("sum", "norm", "s"),
    ]
    total = graph.nodes[4]
    assert (total.index, total.type) == (5, "Eltwise")
    assert (total.bottoms, total.bottom_shapes) == (("x", "u"), ((2, 3, 8, 8), (2, 3, 8, 8)))
    assert (total.tops, total.top_shapes) == (("s",), ((2, 3, 8, 8),))


def test_with_the_inserted_splits(net):
    graph = net(BRANCHES).graph(with_inserted=True)
    assert [node.type for node in graph.nodes] == [
        "Input",
        "ReLU",
        "Split",
        "Pooling",
        "Deconvolution",
        "Eltwise",
        "LRN",
    ]
    assert named(graph)[1:3] == [
        ("relu", "x_relu_0_split", "x"),
        ("x_relu_0_split", "pool", "x_relu_0_split_0"),
    ]


def test_a_split_that_the_user_wrote_stays(net):
    text = 'layer { name: "s" type: "Split" bottom: "x" top: "a" top: "b" }'
    graph = net(BRANCHES.splitlines()[1] + text).graph()
    assert [node.type for node in graph.nodes] == ["Input", "Split"]


def test_costs_of_layers(net):
    costs = {node.name: node.cost for node in net(BRANCHES).graph().nodes}
    whole = 2 * 3 * 8 * 8 * 4
    assert costs["relu"] == (0, 0, 0, 0)  # in place: no memory of its own
    assert costs["pool"] == (0, 0, whole // 4, whole // 4)
    assert costs["up"] == (2 * 3 * 8 * 8, 3 * 2 * 2, whole, 0)
    assert costs["norm"] == (0, 0, whole, whole)


RECURRENT = """
layer { name: "in" type: "Input" top: "x" top: "cont" top: "s"
        input_param { shape { dim: 5 dim: 2 dim: 3 } shape { dim: 5 dim: 2 } shape { dim: 2 dim: 7 } } }
layer { name: "r" type: "%s" bottom: "x" bottom: "cont" bottom: "s" top: "y" recurrent_param { num_output: 4 } }
"""


@pytest.mark.parametrize(
    ("type_name", "multiply_adds"),
    [("LSTM", 5 * 2 * 16 * (3 + 4) + 2 * 16 * 7), ("RNN", 5 * 2 * (4 * (3 + 4) + 4 * 4) + 2 * 4 * 7)],
)
def test_recurrent_layers_use_their_weights_at_each_step(type_name, multiply_adds, net):
    cost = net(RECURRENT % type_name).graph().nodes[1].cost
    assert cost.multiply_adds == multiply_adds
    assert cost.state_bytes >= 3 * 5 * 2 * 4 * 4
