"""Net: setting, running and asking, with what OpenCV 4.14 answered of the same net."""

import copy
import gc
import logging
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from caffelite import CaffeliteError, cv2dnn
from caffelite.cv2dnn import net as module


@pytest.fixture(scope="module")
def files(tmp_path_factory, small):
    return small.write(tmp_path_factory.mktemp("net"))


@pytest.fixture
def net(files):
    return cv2dnn.readNetFromCaffe(*files[:2])


@pytest.fixture
def image():
    return np.random.default_rng(0).normal(0, 1, (1, 3, 8, 8)).astype(np.float32)


def expected(files, image):
    return {name: values.copy() for name, values in files[2].forward(data=image).items()}


def raises(text):
    return pytest.raises(cv2.error, match=text)


def test_names_are_those_of_opencv(net):
    assert net.getLayerNames() == ("c", "relu1", "slice", "ip", "prob", "sig")
    assert net.getUnconnectedOutLayersNames() == ("prob", "sig")
    assert net.getUnconnectedOutLayers().dtype == np.int32
    assert net.getUnconnectedOutLayers().tolist() == [5, 6]
    assert [net.getLayerId(name) for name in ("_input", "c", "sig", "conv1", "data")] == [0, 1, 6, -1, -1]
    assert net.getLayerTypes()[:2] == ("Convolution", "InnerProduct")
    assert net.getLayersCount("ReLU") == 1
    assert net.getLayersCount("Foo") == 0


def test_forward_gives_the_last_layer_those_named_or_all_outputs(net, files, image):
    net.setInput(image)
    wanted = expected(files, image)
    np.testing.assert_allclose(net.forward(), wanted["sig"], rtol=1e-5)
    np.testing.assert_allclose(net.forward("prob"), wanted["prob"], rtol=1e-5)
    np.testing.assert_allclose(net.forward(outputName="prob"), wanted["prob"], rtol=1e-5)
    several = net.forward(["sig", "prob"])
    assert isinstance(several, tuple)
    assert [values.shape for values in several] == [(1, 1, 6, 6), (1, 4)]
    assert len(net.forward([])) == 1
    assert len(net.forward(outBlobNames=("prob",))) == 1
    for both in (net.forward(None, "slice"), net.forward(outputBlobs=None, outputName="slice")):
        assert len(both) == 2
        np.testing.assert_array_equal(both[1], net.forward("relu1")[:, 1:])
    assert [len(each) for each in net.forwardAndRetrieve(["slice", "prob"])] == [2, 1]


def test_layers_that_work_in_place_have_outputs_of_their_own(net, image):
    net.setInput(image)
    before, after = net.forward(["c", "relu1"])
    assert before.min() < 0
    np.testing.assert_array_equal(after, np.maximum(before, 0))


def test_outputs_are_copies(net, image):
    net.setInput(image)
    first = net.forward("c")
    kept = first.copy()
    net.setInput(2 * image)
    assert not np.array_equal(net.forward("c"), kept)
    np.testing.assert_array_equal(first, kept)
    image[...] = 0
    assert net.forward("c").std() > 0


def test_input_is_scaled_behind_its_mean(net, image):
    net.setInput(image, "data", 0.5, (1, 2, 3))
    scaled = net.forward("c")
    net.setInput(0.5 * (image - np.array([1, 2, 3], np.float32).reshape(3, 1, 1)))
    np.testing.assert_allclose(scaled, net.forward("c"), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 3, 20, 17)])
def test_takes_the_size_of_what_is_set(tmp_path, small, shape):
    prototxt, model, _ = small.write(tmp_path, small.convolution)
    net = cv2dnn.readNetFromCaffe(prototxt, model)
    net.setInput(np.ones(shape, np.uint8))
    assert net.forward().shape == (shape[0], 2, shape[2] - 2, shape[3] - 2)


def test_a_size_that_does_not_fit_can_be_mended(net, image):
    net.setInput(np.ones((1, 3, 9, 9), np.float32))
    with raises(r'n.prototxt:\d+: layer "ip"'):
        net.forward()
    net.setInput(image)
    assert net.forward("prob").shape == (1, 4)


def test_what_the_file_says_may_be_too_small(tmp_path, small):
    model = small.write(tmp_path, small.convolution)[1]
    text = small.convolution.replace("dim: 8", "dim: 1")  # as of OpenPose: "will be defined at runtime"
    net = cv2dnn.readNetFromCaffe(bytearray(text.encode()), bytearray(Path(model).read_bytes()))
    with raises("conv1"):
        net.getParam("c")
    net.setInput(np.ones((1, 3, 8, 8), np.float32))
    assert net.forward().shape == (1, 2, 6, 6)


@pytest.mark.parametrize(
    ("blob", "name", "text"),
    [
        (None, "", "takes an array of numbers .*, not NoneType"),
        ([[1.0]], "", "not list"),
        (np.ones((1, 3, 8, 8), bool), "", "not an array of bool"),
        (np.zeros((0, 3, 8, 8), np.float32), "", "an empty array"),
        (np.ones((1, 3, 8, 8), np.float32), "dat", 'no input "dat"; did you mean "data"'),
    ],
)
def test_refuses_to_set(net, blob, name, text):
    with raises(text):
        net.setInput(blob, name)


def test_errors_are_of_both_families(net, image):
    with pytest.raises(CaffeliteError, match='input "data" is not set; call setInput before forward'):
        net.forward()
    net.setInput(image)
    with raises('there is no layer "conv1"; OpenCV calls it "c"') as caught:
        net.forward("conv1")
    assert caught.value.code == -204
    with raises('"s0"; OpenCV calls it "slice"'):
        net.forward("s0")
    with raises('"data"; it is an input'):
        net.forward(["data"])
    with raises("there is no layer 9; the numbers go to 6"):
        net.getLayer(9)
    with raises("the name of a layer or a list of names, not 5"):
        net.forward(5)
    with raises(r"a layer is named by its number or its name, not by 1.5"):
        net.getLayer(1.5)


def test_empty_net():
    net = cv2dnn.Net()
    assert net.empty()
    with raises("the net is empty"):
        net.forward()
    with raises("the net is empty"):
        net.setInput(np.ones((1, 1), np.float32))


def test_layers_and_parameters(net, files):
    layer = net.getLayer("c")
    assert (layer.name, layer.type) == ("c", "Convolution")
    assert [blob.shape for blob in layer.blobs] == [(2, 3, 3, 3), (2, 1)]
    assert [blob.shape for blob in net.getLayer(4).blobs] == [(4, 8 * 8 - 28), (1, 4)]
    assert net.getLayer(0).name == "_input"
    np.testing.assert_array_equal(net.getParam("c"), files[2].params["conv1"][0].data)
    np.testing.assert_array_equal(net.getParam(1, 1), [[0.5], [0.5]])
    with raises("layer 'c' has 2 parameters, so there is no number 7"):
        net.getParam("c", 7)


def test_set_param(net, image):
    net.setParam("c", 0, np.ones((2, 3, 3, 3)))
    net.setParam(layer=1, numParam=1, blob=np.zeros(2))
    net.setInput(image)
    assert net.forward("c")[0, 0, 0, 0] == pytest.approx(image[0, :, :3, :3].sum(), abs=1e-4)
    with raises(r'parameter 0 of layer "c" has shape \(2, 3, 3, 3\), not \(2, 3\)'):
        net.setParam("c", 0, np.ones((2, 3)))


def test_without_parameters_nothing_is_computed(files, image):
    net = cv2dnn.readNetFromCaffe(files[0])
    net.setInput(image)
    with raises('layer "c" .* has no parameters: no caffemodel was read; give'):
        net.forward("c")
    net.setParam("c", 0, np.ones((2, 3, 3, 3)))
    assert net.forward("c").shape == (1, 2, 6, 6)


def test_is_a_net_of_opencv_and_survives_collection(net, image):
    assert isinstance(net, cv2.dnn.Net)
    assert isinstance(net, cv2dnn.Net)
    net.setInput(image)
    net.forward()
    del net
    gc.collect()


def test_has_every_method_of_opencv():
    lost = {name for name in dir(cv2.dnn.Net) if not name.startswith("_")} - set(dir(cv2dnn.Net))
    assert not lost


def test_other_back_ends_are_said_once(net, image, caplog):
    module._said.clear()
    with caplog.at_level(logging.WARNING, "caffelite"):
        for _ in range(2):
            net.setPreferableBackend(cv2.dnn.DNN_BACKEND_CUDA)
            net.setPreferableTarget(cv2.dnn.DNN_TARGET_CUDA)
            net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
            net.setPreferableTarget(cv2.dnn.DNN_TARGET_CPU)
    assert caplog.text.count("is not here: caffelite runs the net on the CPU") == 2
    net.enableFusion(False)
    net.enableWinograd(False)
    net.setInput(image)
    assert net.forward().size


def test_inputs_have_names(net, image):
    net.setInputsNames(["picture"])
    net.setInput(image, "picture")
    assert net.forward().size
    with raises("2 names for the inputs picture"):
        net.setInputsNames(["a", "b"])
    with raises("has a shape in the file"):
        net.setInputShape("picture", (1, 3, 8, 8))
    with raises('no input "data"'):
        net.setInputShape("data", (1, 3, 8, 8))


def test_input_without_a_shape():
    text = 'input: "data" layer { name: "a" type: "AbsVal" bottom: "data" top: "a" }'
    net = cv2dnn.readNetFromCaffe(text.encode())
    with raises('input "data" has no shape in the file'):
        net.getLayer("a")
    net.setInputShape("data", (1, 2))
    assert net.getLayer("a").blobs == ()
    net.setInput(-np.ones((1, 3), np.float32))
    np.testing.assert_array_equal(net.forward(), [[1, 1, 1]])


def test_dump(net, tmp_path):
    assert '"c" -> "relu1"' in net.dump()
    net.dumpToFile(tmp_path / "n.dot")
    assert (tmp_path / "n.dot").read_text() == net.dump()


def test_a_mean_of_none_is_none(net, image):
    for factor, same in ((0.5, image * 0.5), (None, image)):
        net.setInput(image, "", factor, None)
        answer = net.forward()
        net.setInput(same)
        np.testing.assert_array_equal(answer, net.forward())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda net, image: net.setInput(image, mean="a"), "mean takes numbers, not 'a'"),
        (lambda net, image: net.setInput(image, scalefactor=""), "scalefactor takes numbers, not ''"),
        (lambda net, image: net.setParam("c", 0, "abc"), "setParam takes numbers, not 'abc'"),
        (lambda net, image: net.forwardAndRetrieve([]), "forwardAndRetrieve needs the names of layers, and got none"),
        (lambda net, image: net.dumpToFile("no folder/a.dot"), "cannot write the graph: no folder/a.dot: No such file"),
        (lambda net, image: cv2dnn.readNet("caffe", None, None), "readNetFromCaffe needs a prototxt"),
    ],
)
def test_odd_arguments_are_errors_of_cv2(net, image, call, text):
    with raises(text):
        call(net, image)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_net_is_not_copied(net, copied):
    with pytest.raises(TypeError, match="cannot be pickled or copied; call readNetFromCaffe again"):
        copied(net)
