"""What programs of others did with pycaffe: as in py-faster-rcnn, neural style, Grad-CAM, merging of BatchNorm, SSD."""

import sys
import types

import numpy as np
import pytest
from google.protobuf import text_format

import caffelite as caffe
from caffelite import layers as L
from caffelite import params as P
from caffelite.proto import caffe_pb2

RANDOM = np.random.default_rng(11)


class Rois(caffe.Layer):
    """Deals out what its user gave it, in batches of other shapes; tops are shaped in forward, as Fast R-CNN does."""

    def setup(self, bottom, top):
        self.classes = int(self.param_str_)  # the name before 1.0
        top[0].reshape(1, 3, 8, 8)
        top[1].reshape(1)

    def set_roidb(self, roidb):
        self.roidb = roidb
        self.place = 0

    def forward(self, bottom, top):
        number, height = self.roidb[self.place % len(self.roidb)]
        self.place += 1
        for blob, values in zip(
            top, (RANDOM.normal(size=(number, 3, height, 9)), np.arange(number) % self.classes), strict=True
        ):
            blob.reshape(*values.shape)
            blob.data[...] = values.astype(np.float32, copy=False)

    def reshape(self, bottom, top):
        pass

    def backward(self, top, propagate_down, bottom):
        pass


RCNN = """layer { name: 'data' type: 'Python' top: 'data' top: 'labels'
  python_param { module: 'roi_data_layer' layer: 'Rois' param_str: '4' } }
layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv' param { lr_mult: 0 } param { lr_mult: 0 }
  convolution_param { num_output: 5 kernel_size: 3 weight_filler { type: 'xavier' } } }
layer { name: 'pool' type: 'Pooling' bottom: 'conv' top: 'pool' pooling_param { global_pooling: true } }
layer { name: 'cls' type: 'InnerProduct' bottom: 'pool' top: 'cls' inner_product_param { num_output: 4
  weight_filler { type: 'gaussian' std: 0.01 } } }
layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'cls' bottom: 'labels' top: 'loss'
  propagate_down: 1 propagate_down: 0 loss_param { ignore_label: -1 normalize: true } }
"""


def test_a_solver_wrapped_as_fast_rcnn_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.prototxt").write_text(RCNN)
    (tmp_path / "solver.prototxt").write_text(
        "train_net: 'train.prototxt' base_lr: 0.1 lr_policy: 'fixed' snapshot: 0 snapshot_prefix: 'rcnn'"
    )
    monkeypatch.setitem(sys.modules, "roi_data_layer", types.SimpleNamespace(Rois=Rois))
    solver = caffe.SGDSolver("solver.prototxt")
    solver_param = text_format.Merge((tmp_path / "solver.prototxt").read_text(), caffe_pb2.SolverParameter())
    solver.net.layers[0].set_roidb([(2, 8), (4, 6), (3, 12)])
    frozen, learned = solver.net.params["conv"][0].data.copy(), solver.net.params["cls"][0].data.copy()
    shapes = []
    while solver.iter < 3:
        solver.step(1)
        shapes.append(tuple(solver.net.blobs["conv"].data.shape))
    assert shapes == [(2, 5, 6, 7), (4, 5, 4, 7), (3, 5, 10, 7)]
    assert solver.net.layers[0].place == 3
    weights = solver.net.params["cls"][0].data
    assert (weights != learned).all() and (solver.net.params["conv"][0].data == frozen).all()
    original = weights.copy()
    weights[...] = weights * 0.5  # a snapshot of scaled weights, and back
    name = f"{solver_param.snapshot_prefix}_iter_{solver.iter:d}.caffemodel"
    solver.net.save(name)
    weights[...] = original
    again = caffe.SGDSolver("solver.prototxt")
    again.net.copy_from(name)
    np.testing.assert_array_equal(again.net.params["cls"][0].data, original * np.float32(0.5))


def classifier():
    n = caffe.NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 2, 9, 9]))
    n.conv1 = L.Convolution(n.data, num_output=4, kernel_size=3, weight_filler=dict(type="xavier"))
    n.relu1 = L.ReLU(n.conv1, in_place=True)
    n.norm1 = L.LRN(n.relu1, local_size=3, alpha=0.1)
    n.conv2 = L.Convolution(n.norm1, num_output=6, kernel_size=3, weight_filler=dict(type="xavier"))
    n.relu2 = L.ReLU(n.conv2)
    n.pool = L.Pooling(n.relu2, pool=P.Pooling.AVE, global_pooling=True)
    n.fc = L.InnerProduct(n.pool, num_output=5, weight_filler=dict(type="xavier"))
    n.prob = L.Softmax(n.fc)
    proto = n.to_proto()
    proto.force_backward = True
    return proto


@pytest.fixture
def vgg():
    net = caffe.Net(classifier(), caffe.TEST)
    rng = np.random.default_rng(4)
    for blobs in net.params.values():
        for blob in blobs:
            blob.data[...] = rng.normal(size=blob.data.shape) * 0.3
    net.blobs["data"].data[...] = rng.normal(size=(1, 2, 9, 9))
    return net


def test_grad_cam(vgg):
    scores = vgg.forward(end="fc")["fc"]
    category = int(scores[0].argmax())
    vgg.blobs["fc"].diff[...] = 0
    vgg.blobs["fc"].diff[0, category] = 1
    diffs = vgg.backward(start="fc", end="conv2", diffs=["relu2", "norm1"])
    assert sorted(diffs) == ["norm1", "relu2"]
    importance = diffs["relu2"][0].mean((1, 2))
    # the score is the weights times the mean over the 5 x 5 places
    np.testing.assert_allclose(importance, vgg.params["fc"][0].data[category] / 25, rtol=1e-5)
    activations = vgg.blobs["relu2"].data[0]
    cam = (importance[:, np.newaxis, np.newaxis] * activations).sum(0)
    np.testing.assert_allclose(
        cam.sum(), scores[0, category] - vgg.params["fc"][1].data[category], rtol=1e-4, atol=1e-6
    )


def test_saliency_through_the_softmax(vgg):
    prob = vgg.forward()["prob"].copy()
    category = int(prob[0].argmax())
    label = np.zeros_like(prob)
    label[0, category] = 1
    gradient = vgg.backward(prob=label)["data"].copy()
    np.testing.assert_allclose(vgg.blobs["fc"].diff, prob[0, category] * (label - prob), atol=1e-6)
    place = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
    values = []
    for step in (0.01, -0.02):
        vgg.blobs["data"].data[place] += step
        values.append(float(vgg.forward()["prob"][0, category]))
    np.testing.assert_allclose((values[0] - values[1]) / 0.02, gradient[place], rtol=0.02)


def test_guided_backward_changes_diffs_in_a_callback(vgg):
    def positive(layer):
        name = vgg._layer_names[layer]
        if name.startswith("relu"):
            for top in vgg.top_names[name]:
                np.maximum(vgg.blobs[top].diff, 0, out=vgg.blobs[top].diff)

    vgg.forward()
    vgg.blobs["fc"].diff[...] = 1
    vgg.backward(start="fc")
    plain = vgg.blobs["conv2"].diff.copy()
    vgg.before_backward(positive)
    vgg.backward(start="fc")
    assert (plain < 0).any()
    np.testing.assert_array_equal(vgg.blobs["conv2"].diff, np.maximum(plain, 0))


def test_losses_on_several_blobs_as_neural_style_has_them(vgg):
    """The gradient goes down blob by blob, and each blob's own loss is added where it comes by."""
    layers = ["conv1", "norm1", "conv2"]
    targets = {name: np.random.default_rng(7).normal(size=vgg.blobs[name].data.shape) for name in layers}

    def loss_and_gradient(image):
        vgg.blobs["data"].data[...] = image
        vgg.forward(end="conv2")
        loss = 0.0
        vgg.blobs["conv2"].diff[...] = 0
        for name, below in zip(reversed(layers), ["norm1", "conv1", None], strict=True):
            error = vgg.blobs[name].data - targets[name]
            loss += 0.5 * float((error.astype(np.float64) ** 2).sum())
            # conv1's blob is after its ReLU, which works in place; backward from conv1 does not pass it again
            mask = vgg.blobs[name].data > 0 if name == "conv1" else 1
            vgg.blobs[name].diff[...] += error * mask
            vgg.backward(start=name, end=below)
        return loss, vgg.blobs["data"].diff[0].astype(np.float64).ravel()

    image = np.random.default_rng(8).normal(size=(2, 9, 9))
    direction = np.random.default_rng(9).normal(size=image.shape)
    _, gradient = loss_and_gradient(image)
    step = 1e-3
    slope = (loss_and_gradient(image + step * direction)[0] - loss_and_gradient(image - step * direction)[0]) / step / 2
    np.testing.assert_allclose(gradient @ direction.ravel(), slope, rtol=0.01)


def test_batch_norm_is_merged_into_weights_in_files(tmp_path):
    """Both files are edited as messages: layers taken out, blobs written, names prefixed, two nets put into one."""
    n = caffe.NetSpec()
    n.data = L.Input(shape=dict(dim=[2, 3, 8, 8]))
    n.conv = L.Convolution(n.data, num_output=4, kernel_size=3, weight_filler=dict(type="msra"))
    n.bn = L.BatchNorm(n.conv, in_place=True, eps=1e-3)
    n.scale = L.Scale(n.bn, in_place=True, bias_term=True, filler=dict(value=1.5), bias_filler=dict(value=0.25))
    n.prob = L.Softmax(n.scale)
    model = n.to_proto()
    net = caffe.Net(model, caffe.TEST)
    rng = np.random.default_rng(2)
    for blob, values in zip(net.params["bn"], (rng.normal(size=4), rng.uniform(1, 4, 4), [10]), strict=True):
        blob.data[...] = values
    net.save(str(tmp_path / "bn.caffemodel"))
    images = rng.normal(size=(2, 3, 8, 8))
    wanted = net.forward(data=images)["prob"].copy()

    weights = caffe.io.caffe_pb2.NetParameter()
    weights.ParseFromString((tmp_path / "bn.caffemodel").read_bytes())
    arrays = {layer.name: [caffe.io.blobproto_to_array(blob) for blob in layer.blobs] for layer in weights.layer}
    (mean, variance, count), (scale, shift) = arrays["bn"], arrays["scale"]
    alpha = scale / np.sqrt(variance / count + 1e-3)
    for part in (weights, model):
        for i in reversed(range(len(part.layer))):
            if part.layer[i].type in ("BatchNorm", "Scale"):
                del part.layer[i]
    conv = next(layer for layer in weights.layer if layer.name == "conv")
    del conv.blobs[:]
    kernel, bias = arrays["conv"]
    conv.blobs.add().CopyFrom(caffe.io.array_to_blobproto(kernel * alpha[:, None, None, None]))
    conv.blobs.add().CopyFrom(caffe.io.array_to_blobproto((bias - mean / count) * alpha + shift))
    both_model, both_weights = caffe_pb2.NetParameter(), caffe_pb2.NetParameter()
    for prefix in ("a_", "b_"):
        for part, both in ((model, both_model), (weights, both_weights)):
            for layer in part.layer:
                copy = both.layer.add()
                copy.CopyFrom(layer)
                copy.name = prefix + layer.name
                for names in (copy.bottom, copy.top):
                    for i, name in enumerate(names):
                        names[i] = prefix + name
    (tmp_path / "both.prototxt").write_text(str(both_model))
    (tmp_path / "both.caffemodel").write_bytes(both_weights.SerializeToString())
    both = caffe.Net(str(tmp_path / "both.prototxt"), str(tmp_path / "both.caffemodel"), caffe.TEST)
    out = both.forward(a_data=images, b_data=images)
    assert sorted(out) == ["a_prob", "b_prob"]
    np.testing.assert_allclose(out["a_prob"], wanted, atol=1e-5)
    np.testing.assert_array_equal(out["a_prob"], out["b_prob"])


def test_a_transformer_takes_the_shape_of_a_prototxt():
    """DIGITS' example gives the repeated field itself, and a mean of the old four fields."""
    network = text_format.Merge("input: 'data' input_shape { dim: 1 dim: 3 dim: 4 dim: 5 }", caffe_pb2.NetParameter())
    transformer = caffe.io.Transformer(inputs={"data": network.input_shape[0].dim})
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_channel_swap("data", (2, 1, 0))
    blob = caffe_pb2.BlobProto(num=1, channels=3, height=2, width=2, data=[1] * 4 + [2] * 4 + [3] * 4)
    pixel = np.reshape(blob.data, (blob.channels, blob.height, blob.width)).mean(1).mean(1)
    transformer.set_mean("data", pixel)
    image = np.random.default_rng(3).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    wanted = image.transpose(2, 0, 1)[::-1] - np.array([1, 2, 3])[:, None, None]
    np.testing.assert_array_equal(transformer.preprocess("data", image), wanted)


def test_label_maps_of_ssd():
    labelmap = caffe_pb2.LabelMap()
    text_format.Merge(
        'item { name: "none_of_the_above" label: 0 display_name: "background" }'
        'item { name: "n02691156" label: 1 display_name: "aeroplane" }',
        labelmap,
    )
    assert {item.label: item.display_name for item in labelmap.item} == {0: "background", 1: "aeroplane"}
    assert labelmap.item[1].name == "n02691156"
