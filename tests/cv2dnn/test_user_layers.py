"""Classes registered by dnn_registerLayer: what they are given, and what comes of what they return."""

import cv2
import numpy as np
import pytest

from caffelite import cv2dnn
from caffelite.cv2dnn.user_layers import registered_types

INPUT = 'input: "x" input_shape { dim: 1 dim: 2 dim: 4 dim: 4 }\n'
X = np.arange(32, dtype=np.float32).reshape(1, 2, 4, 4)
made = []


class Twice:
    def __init__(self, params, blobs):
        self.params, self.blobs = params, blobs
        made.append(self)

    def getMemoryShapes(self, inputs):
        return [inputs[0]]

    def forward(self, inputs):
        return [2 * inputs[0]]


@pytest.fixture
def register():
    """A function that registers a class for the test."""
    types = []

    def add(kind, class_):
        cv2dnn.dnn_registerLayer(kind, class_)
        types.append(kind)

    made.clear()
    yield add
    for kind in types:
        cv2dnn.dnn_unregisterLayer(kind)
    assert not registered_types()


def read(layers):
    net = cv2dnn.readNetFromCaffe((INPUT + layers).encode())
    net.setInput(X)
    return net


def layer(kind, rest="", bottoms='bottom: "x"', tops='top: "y"'):
    return f'layer {{ name: "a" type: "{kind}" {bottoms} {tops} {rest} }}\n'


# What OpenCV 4.14 hands on.
@pytest.mark.parametrize(
    ("fields", "params"),
    [
        ("", {}),
        ("crop_param { axis: 2 offset: 3 offset: 4 }", {"axis": 2, "offset": (3, 4)}),
        (
            'convolution_param { num_output: 3 bias_term: false weight_filler { type: "xavier" std: 0.5 } }',
            {"num_output": 3, "bias_term": 0, "type": "xavier", "std": 0.5},
        ),
        ("pooling_param { pool: AVE } power_param { power: 2 }", {"pool": "AVE", "power": 2.0}),
        ("reshape_param { shape { dim: 0 dim: -1 } }", {"dim": (0, -1)}),
        ("eltwise_param { operation: SUM coeff: 1 coeff: -1 }", {"operation": "SUM", "coeff": (1.0, -1.0)}),
        ("include { phase: TEST }", {}),
        ('foo_param { k: 3 s: "a b" k: 4 }', {"k": ("3", "4"), "s": "a b"}),
    ],
)
def test_params(register, fields, params):
    register("Foo", Twice)
    np.testing.assert_array_equal(read(layer("Foo", fields)).forward(), 2 * X)
    (one,) = made
    assert one.params == params
    assert [type(one.params[name]) for name in params] == [type(value) for value in params.values()]
    assert one.blobs == []


def test_parameters_of_the_caffemodel_are_handed_on(register, tmp_path, small):
    prototxt, model, net = small.write(tmp_path)
    register("Convolution", Twice)
    cv2dnn.readNetFromCaffe(prototxt, model)
    weights, bias = made[0].blobs
    np.testing.assert_array_equal(weights, net.params["conv1"][0].data)
    np.testing.assert_array_equal(bias, net.params["conv1"][1].data)


def test_a_known_type_is_computed_by_the_class(register):
    plain = read(layer("ReLU"))
    register("ReLU", Twice)
    net = read(layer("ReLU"))
    assert net.getLayer("a").type == "ReLU"
    np.testing.assert_array_equal(net.forward(), 2 * X)
    np.testing.assert_array_equal(plain.forward(), X)  # it was read before


def test_the_last_class_of_a_type_wins(register):
    class Thrice(Twice):
        def forward(self, inputs):
            return inputs[0] * np.float64(3)  # an array alone, of float64

    register("Foo", Twice)
    register("Foo", Thrice)
    np.testing.assert_array_equal(read(layer("Foo")).forward(), 3 * X)
    cv2dnn.dnn_unregisterLayer("Foo")
    np.testing.assert_array_equal(read(layer("Foo")).forward(), 2 * X)
    cv2dnn.dnn_unregisterLayer("Foo")
    cv2dnn.dnn_unregisterLayer("Foo")
    with pytest.raises(cv2.error, match="Foo"):
        read(layer("Foo"))


def test_a_net_keeps_the_class_that_it_was_read_with():
    cv2dnn.dnn_registerLayer("Foo", Twice)
    net = cv2dnn.readNetFromCaffe(b'input: "x" layer { name: "a" type: "Foo" bottom: "x" top: "y" }')  # built later
    cv2dnn.dnn_unregisterLayer("Foo")
    net.setInput(X)
    np.testing.assert_array_equal(net.forward(), 2 * X)


class Crop:
    """As in the example of OpenCV for edges."""

    def __init__(self, params, blobs):
        self.place = (slice(None),)

    def getMemoryShapes(self, inputs):
        source, target = inputs
        start = [(source[i] - target[i]) // 2 for i in (2, 3)]
        self.place = (..., *(slice(first, first + target[i]) for first, i in zip(start, (2, 3), strict=True)))
        return [[source[0], source[1], target[2], target[3]]]

    def forward(self, inputs):
        return [inputs[0][self.place]]


def test_several_bottoms_and_another_size(register):
    register("Crop", Crop)
    pool = 'layer { name: "p" type: "Pooling" bottom: "x" top: "p" pooling_param { kernel_size: 3 } }\n'
    net = read(pool + layer("Crop", bottoms='bottom: "x" bottom: "p"'))
    np.testing.assert_array_equal(net.forward(), X[..., 1:3, 1:3])
    larger = np.arange(72, dtype=np.float32).reshape(1, 2, 6, 6)
    net.setInput(larger)
    np.testing.assert_array_equal(net.forward(), larger[..., 1:5, 1:5])


class Wrong(Twice):
    shapes, outputs = [(1, 2)], [np.zeros((1, 2))]

    def getMemoryShapes(self, inputs):
        return self.shapes

    def forward(self, inputs):
        return self.outputs


@pytest.mark.parametrize(
    ("shapes", "outputs", "text"),
    [
        ([], [], "what getMemoryShapes of Wrong returns is 0 shapes; return 1, one for each top"),
        ([(1, 2)], [], "what forward of Wrong returns is 0 arrays; return 1"),
        ([(1, 2)], [np.zeros((1, 3))], r"what forward of Wrong returns is an array \(1, 3\); .* promised \(1, 2\)"),
    ],
)
def test_wrong_results_are_refused(register, monkeypatch, shapes, outputs, text):
    monkeypatch.setattr(Wrong, "shapes", shapes)
    monkeypatch.setattr(Wrong, "outputs", outputs)
    register("Foo", Wrong)
    with pytest.raises(cv2.error, match=f'layer "a".*{text}'):
        read(layer("Foo")).forward()


def test_what_a_class_raises_comes_through(register):
    class Broken(Twice):
        def forward(self, inputs):
            raise ZeroDivisionError("boo")

    register("Foo", Broken)
    with pytest.raises(ZeroDivisionError, match="boo"):  # where OpenCV 4.14 stands still for ever
        read(layer("Foo")).forward()


def test_refuses_what_is_no_class():
    with pytest.raises(cv2.error, match='the layer of type "Foo" is 3; give a class'):
        cv2dnn.dnn_registerLayer("Foo", 3)


FIELDS = """name: "n"  # foo_param { a: 1 }
input: "x" input_shape { dim: 1 }
layer {
  name: "a" type: "Foo" bottom: "x" top: "y"
  foo_param {
    k: 3
    inner < w: -2.5 s: 'x{y' >
  }
  mode: FAST
  power_param { power: 2 }
}
layer { name: "b" type: "Foo" bottom: "y" top: "z" foo_param { k: 4 k: 5 } }
"""


@pytest.fixture
def fields_of():
    """What layers of type Foo are given, in their order."""
    given = []

    class Foo:
        def __init__(self, params, blobs):
            given.append(params)

        def getMemoryShapes(self, inputs):
            return [inputs[0]]

        def forward(self, inputs):
            return [inputs[0]]

    def read(text):
        given.clear()
        net = cv2dnn.readNetFromCaffe(text.encode())
        net.setInput(np.zeros(1, np.float32))
        net.forward()
        return given

    cv2dnn.dnn_registerLayer("Foo", Foo)
    yield read
    cv2dnn.dnn_unregisterLayer("Foo")


def test_fields_that_no_schema_has_are_given_as_text_each_to_its_own_layer(fields_of):
    assert fields_of(FIELDS) == [
        {"k": "3", "w": "-2.5", "s": "x{y", "mode": "FAST", "power": 2.0},
        {"k": ("4", "5")},
    ]


def test_another_types_mistakes_stay(fields_of):
    with pytest.raises(cv2dnn.errors.DnnError, match='bufferProto:13:.*unknown field "odd"'):
        fields_of(FIELDS + 'layer { name: "c" type: "ReLU" bottom: "z" top: "u" odd: 1 }')


@pytest.mark.parametrize("text", ["", "layer {", 'layer { type: "Foo" v {', "}}} :", "layer: 3"])
def test_mistakes_of_the_text_are_refused(fields_of, text):
    with pytest.raises(cv2dnn.errors.DnnError):
        fields_of(text)
