from caffelite.drawing.net import drawing_of_net
from caffelite.proto.caffe_pb2 import TEST, TRAIN
from caffelite.pycaffe import Net


def names(drawing):
    return [[layer.name for layer in unit.layers] for unit in drawing.units]


def test_lenet(drawings):
    drawing = drawings.model("lenet/train_val_mnist")
    assert names(drawing) == [
        *(["mnist"], ["mnist"], ["conv1"], ["pool1"], ["conv2"], ["pool2"]),
        *(["ip1", "relu1"], ["ip2"], ["accuracy"], ["loss"]),
    ]
    only = [unit.phases for unit in drawing.units]
    assert only[:3] == [{TRAIN}, {TEST}, {TRAIN, TEST}]
    assert only[8:] == [{TEST}, {TRAIN, TEST}]
    assert set(drawing.edges) >= {
        (0, 2, "data", (64, 1, 28, 28)),
        (1, 2, "data", (100, 1, 28, 28)),
        (6, 7, "ip1", (64, 500)),
        (7, 8, "ip2", (100, 10)),
        (7, 9, "ip2", (64, 10)),
        (8, -1, "accuracy", ()),
    }
    assert len(drawing.edges) == 14
    labels = {(edge.source, edge.target) for edge in drawing.edges if drawing.is_label(edge)}
    assert labels == {(0, 9), (1, 8), (1, 9)}


def test_in_place_behind_another_reader_is_a_unit_of_its_own(drawings):
    text = """layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
    layer { name: "a" type: "Power" bottom: "x" top: "y" }
    layer { name: "s" type: "Power" bottom: "y" top: "z" }
    layer { name: "r" type: "ReLU" bottom: "y" top: "y" }
    layer { name: "q" type: "ReLU" bottom: "y" top: "y" }"""
    drawing = drawings.of(text, (TEST,))
    assert names(drawing) == [["d"], ["a"], ["s"], ["r", "q"]]
    assert [edge[:3] for edge in drawing.edges] == [(0, 1, "x"), (1, 2, "y"), (1, 3, "y"), (3, -1, "y"), (2, -1, "z")]


def test_a_net_that_cannot_be_built_is_drawn_without_shapes(drawings, caplog):
    text = 'layer { name: "a" type: "Foo" top: "x" } layer { name: "b" type: "ReLU" bottom: "x" top: "y" }'
    drawing = drawings.of(text)
    assert [edge.shape for edge in drawing.edges] == [None, None]
    (record,) = caplog.records
    assert record.getMessage().startswith(
        'The net is drawn without shapes, since it cannot be built: net.prototxt:1: layer "a": unknown layer type "Foo"'
    )


def test_a_net_for_one_phase(drawings, caplog):
    text = """layer { name: "d" type: "Input" top: "x" include { phase: TRAIN }
      input_param { shape { dim: 2 dim: 3 } } }
    layer { name: "b" type: "ReLU" bottom: "x" top: "y" }"""
    assert drawings.of(text).edges[0].shape == (2, 3)
    assert caplog.records == []


def test_a_net_that_is_built_is_drawn_as_the_user_wrote_it(tmp_path):
    (tmp_path / "net.prototxt").write_text(
        """name: "n" layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } }
      include { phase: TEST } }
    layer { name: "a" type: "Power" bottom: "x" top: "y" }
    layer { name: "r" type: "ReLU" bottom: "y" top: "y" }
    layer { name: "b" type: "Power" bottom: "x" top: "z" }"""
    )
    drawing = drawing_of_net(Net(tmp_path / "net.prototxt", TEST))
    assert drawing.name == "n"
    assert names(drawing) == [["d"], ["a", "r"], ["b"]]
    assert drawing.edges == [(0, 1, "x", (2, 3)), (0, 2, "x", (2, 3)), (1, -1, "y", (2, 3)), (2, -1, "z", (2, 3))]
