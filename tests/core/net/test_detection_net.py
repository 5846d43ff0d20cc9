"""A small single-shot detector as those of SSD are written, from the image to the boxes."""

import numpy as np

import caffelite
from caffelite.testing.reference_boxes import reference_detections

CLASSES = 4
HEADS = (("loc", 4 * 4), ("conf", 4 * CLASSES))


def convolution(name, bottom, outputs, stride=1):
    return f"""layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" convolution_param {{
      num_output: {outputs} kernel_size: 3 pad: 1 stride: {stride} weight_filler {{ type: "xavier" }}
      bias_filler {{ type: "gaussian" std: 0.3 }} }} }}
    """


def head(source, kind, outputs):
    name = f"{source}_{kind}"
    return f"""{convolution(name, source, outputs)}
    layer {{ name: "{name}_perm" type: "Permute" bottom: "{name}" top: "{name}_perm"
      permute_param {{ order: 0 order: 2 order: 3 order: 1 }} }}
    layer {{ name: "{name}_flat" type: "Flatten" bottom: "{name}_perm" top: "{name}_flat" flatten_param {{ axis: 1 }} }}
    """


def net_text():
    text = 'input: "data" input_shape { dim: 1 dim: 3 dim: 32 dim: 48 }'
    text += convolution("conv1", "data", 6, 4) + convolution("conv2", "conv1", 8, 2)
    for source, low, high in (("conv1", 10, 20), ("conv2", 20, 40)):
        text += "".join(head(source, kind, outputs) for kind, outputs in HEADS)
        text += f"""layer {{ name: "{source}_prior" type: "PriorBox" bottom: "{source}" bottom: "data"
          top: "{source}_prior" prior_box_param {{ min_size: {low} max_size: {high} aspect_ratio: 2 flip: true
          variance: [0.1, 0.1, 0.2, 0.2] }} }}
        """
    for kind, axis, part in (("loc", 1, "loc_flat"), ("conf", 1, "conf_flat"), ("prior", 2, "prior")):
        text += f"""layer {{ name: "{kind}" type: "Concat" bottom: "conv1_{part}" bottom: "conv2_{part}" top: "{kind}"
          concat_param {{ axis: {axis} }} }}
        """
    return f"""{text}
    layer {{ name: "rows" type: "Reshape" bottom: "conf" top: "rows"
      reshape_param {{ shape {{ dim: 0 dim: -1 dim: {CLASSES} }} }} }}
    layer {{ name: "softmax" type: "Softmax" bottom: "rows" top: "softmax" softmax_param {{ axis: 2 }} }}
    layer {{ name: "scores" type: "Flatten" bottom: "softmax" top: "scores" flatten_param {{ axis: 1 }} }}
    layer {{ name: "detection_out" type: "DetectionOutput" bottom: "loc" bottom: "scores" bottom: "prior"
      top: "detection_out" include {{ phase: TEST }} detection_output_param {{ num_classes: {CLASSES}
      share_location: true background_label_id: 0 nms_param {{ nms_threshold: 0.45 top_k: 50 }}
      code_type: CENTER_SIZE keep_top_k: 20 confidence_threshold: 0.3 }} }}
    """


def test_the_boxes_are_those_that_heads_and_priors_say(tmp_path, dtype):
    path = tmp_path / "deploy.prototxt"
    path.write_text(net_text())
    net = caffelite.Net(str(path), caffelite.TEST, dtype=dtype, seed=3)
    for shape in ((1, 3, 32, 48), (2, 3, 40, 24), (1, 3, 32, 48)):
        net.blobs["data"].reshape(*shape)
        net.blobs["data"].data[...] = np.random.default_rng(0).normal(size=shape) * 2
        found = net.forward()["detection_out"][0, 0]
        cells = sum(-(-shape[2] // stride) * -(-shape[3] // stride) for stride in (4, 8))
        assert net.blobs["prior"].shape == (1, 2, cells * 4 * 4)
        values = (np.asarray(net.blobs[name].data, np.float64) for name in ("loc", "scores", "prior"))
        options = {"threshold": 0.45, "top_k": 50, "keep": 20, "least": 0.3, "code_type": "CENTER_SIZE"}
        np.testing.assert_allclose(
            found, reference_detections(*values, classes=CLASSES, **options), rtol=1e-4, atol=1e-5
        )
