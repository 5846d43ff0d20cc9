"""The built-in layer of py-faster-rcnn, in nets that name it."""

import sys

import numpy as np
import pytest

import caffelite
from caffelite.core.errors import CaffeliteError
from caffelite.core.layers.shared.proposals import make_anchors
from caffelite.testing.reference_boxes import reference_proposals

STRIDE = "'feat_stride': 16"
NET = """
layer {{ name: "data" type: "Input" top: "scores" top: "deltas" top: "info" input_param {{
  shape {{ dim: 1 dim: {twice} dim: 4 dim: 5 }} shape {{ dim: 1 dim: {four} dim: 4 dim: 5 }}
  shape {{ dim: 1 dim: 3 }} }} }}
layer {{ name: "proposal" type: "Python" bottom: "scores" bottom: "deltas" bottom: "info" top: "rois" top: "best"
  python_param {{ module: "{module}" layer: "ProposalLayer" param_str: "{param_str}" }} }}
"""
OWN = """
import caffe
{first}
class ProposalLayer(caffe.Layer):
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top):
        top[0].reshape(1, 5)
        top[1].reshape(1, 1)
    def forward(self, bottom, top):
        top[0].data[...] = 42
        top[1].data[...] = 42
"""


def network_output(anchors, seed=3):
    rng = np.random.default_rng(seed)
    scores = rng.permutation(2 * anchors * 20).reshape(1, 2 * anchors, 4, 5) / (2 * anchors * 20)
    return scores, rng.normal(size=(1, 4 * anchors, 4, 5)) * 0.3, np.array([[64.0, 80.0, 1.5]])


def expected(anchors, scales, post):
    scores, deltas, _ = network_output(anchors)
    boxes = make_anchors(16, (0.5, 1, 2), scales, round)
    return reference_proposals(scores[0, anchors:], deltas[0], boxes, 16, (64, 80), (24, 24), None, post, 0.7)


@pytest.fixture
def net_of(tmp_path, monkeypatch):
    """net_of(param_str, anchors, phase): a net from a file in tmp_path, with values in its inputs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def make(param_str=STRIDE, anchors=9, phase=caffelite.TEST, module="rpn.proposal_layer", **options):
        path = tmp_path / "net.prototxt"
        path.write_text(NET.format(twice=2 * anchors, four=4 * anchors, param_str=param_str, module=module))
        net = caffelite.Net(str(path), phase, **options)
        for name, values in zip(("scores", "deltas", "info"), network_output(anchors), strict=True):
            net.blobs[name].data[...] = values
        return net

    yield make
    for name in ("rpn", "rpn.proposal_layer"):
        sys.modules.pop(name, None)


@pytest.fixture
def own_module(tmp_path):
    """own_module(first): writes rpn/proposal_layer.py of the user's, which begins with that line."""

    def write(first=""):
        (tmp_path / "rpn").mkdir()
        (tmp_path / "rpn" / "__init__.py").touch()
        (tmp_path / "rpn" / "proposal_layer.py").write_text(OWN.format(first=first))

    return write


def test_equals_the_plain_loop(net_of, dtype):
    net, rows = net_of(dtype=dtype), expected(9, (8, 16, 32), 300)
    for _ in range(2):
        net.forward()
        assert net.blobs["rois"].shape == (len(rows), 5)
        np.testing.assert_allclose(net.blobs["rois"].data[:, 1:], rows[:, :4], rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(net.blobs["best"].data, rows[:, 4:], rtol=1e-6)
        assert not net.blobs["rois"].data[:, 0].any()


def test_scales(net_of):
    net, rows = net_of(f"{STRIDE}\\n'scales': [2, 4]", anchors=6), expected(6, (2, 4), 300)
    net.forward()
    np.testing.assert_allclose(net.blobs["rois"].data[:, 1:], rows[:, :4], rtol=1e-4, atol=1e-3)


def test_no_box_is_large_enough(net_of):
    net = net_of()
    net.blobs["info"].data[...] = [[64, 80, 100]]
    net.forward()
    assert net.blobs["rois"].shape == (0, 5) and net.blobs["best"].shape == (0, 1)


def test_the_log_says_once_that_it_is_ours(net_of, caplog):
    net_of()
    said = [text.rpartition("net.prototxt:")[2] for text in caplog.messages if "built into" in text]
    assert said == [
        '5: layer "proposal" (Python): rpn.proposal_layer.ProposalLayer is the one built into caffelite (there is no '
        "such module)"
    ]


def test_the_users_own_module_goes_first(net_of, own_module, caplog):
    own_module()
    net = net_of()
    net.forward()
    assert (net.blobs["rois"].data == 42).all()
    assert "built into" not in caplog.text


def test_ours_is_taken_where_the_users_cannot_be_imported(net_of, own_module, caplog):
    own_module("from fast_rcnn.config import cfg")
    net = net_of()
    net.forward()
    assert len(net.blobs["rois"].data) == len(expected(9, (8, 16, 32), 300))
    assert "is the one built into caffelite (it cannot be imported: No module named 'fast_rcnn')" in caplog.text


def test_runs_where_python_layers_are_switched_off(net_of, own_module, caplog):
    own_module("raise AssertionError('run')")
    net_of(python_layers=False).forward()
    assert "is the one built into caffelite (Python layers are switched off)" in caplog.text


def test_other_modules_are_missed_as_ever(net_of):
    with pytest.raises(CaffeliteError, match=r'python_param\.module is "rpn\.proposals"; no such module'):
        net_of(module="rpn.proposals")


def test_keeps_more_while_training_and_gives_no_gradient(net_of):
    net = net_of(phase=caffelite.TRAIN)
    layer = net.layers[list(net._layer_names).index("proposal")]
    assert (layer.proposer.pre_nms, layer.proposer.post_nms) == (12000, 2000)
    bottom = [net.blobs[name] for name in ("scores", "deltas", "info")]
    for blob in bottom:
        blob.diff[...] = 7
    layer.backward([net.blobs["rois"], net.blobs["best"]], [True, True, False], bottom)
    assert [float(abs(blob.diff).max()) for blob in bottom] == [0, 0, 7]


def test_says_which_keys_it_does_not_read(net_of, caplog):
    net_of(f"{STRIDE}\\n'n_classes': 21")
    assert "python_param.param_str: ProposalLayer does not read 'n_classes'" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"param_str": ""}, r"python_param\.param_str is ''; give a whole number as 'feat_stride': 16"),
        ({"param_str": "'feat_stride': 0"}, r"param_str is .*; give a whole number as"),
        ({"param_str": f"{STRIDE}\\n'scales': 8"}, r"param_str is .*; give numbers as 'scales': \[8, 16, 32\]"),
        ({"anchors": 6}, r"bottom\[0\] is 1 12 4 5 \(240\); 9 anchors need \(1, 18, height, width\), one image"),
    ],
)
def test_refuses(net_of, options, message):
    with pytest.raises(CaffeliteError, match=message):
        net_of(**options)
