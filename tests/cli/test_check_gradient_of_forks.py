"""One net of the layers that forks of Caffe added and that move or resample pixels, on the command line."""

INPUT = """
force_backward: true
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 4 dim: 4 dim: 6 } } }
layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 2 dim: 4 dim: 1 dim: 1 } } }
layer { name: "places" type: "DummyData" top: "places"
  dummy_data_param { shape { dim: 2 dim: 16 dim: 4 dim: 6 } data_filler { value: 3 } } }
"""
LAYERS = {
    "Permute": "permute_param { order: 0 order: 2 order: 3 order: 1 }",
    "Transpose": "transpose_param { dim: 0 dim: 3 dim: 1 dim: 2 }",
    "Axpy": "",
    "Normalize": "norm_param { across_spatial: false channel_shared: false scale_filler { value: 3 } }",
    "ReLU6": "relu6_param { negative_slope: 0.1 }",
    "BReLU": "brelu_param { minval: -0.2 maxval: 2 }",
    "ShuffleChannel": "shuffle_channel_param { group: 2 }",
    "Reverse": "reverse_param { axis: 1 axis: -1 }",
    "Flip": "flip_param { flip_height: true }",
    "Reorg": "reorg_param { stride: 2 }",
    "Upsample": "upsample_param { scale: 2 }",
    "Interp": "",
    "UnPooling": "unpooling_param { unpool: REP out_kernel_size: 3 out_stride: 2 out_pad: 1 }",
    "Unpooling": "unpooling_param { unpool: TILE kernel_size: 3 stride: 2 }",
}
MORE_BOTTOMS = {"Axpy": ('bottom: "a"', 'bottom: "x"'), "Interp": ("", 'bottom: "x"')}
END = """
layer { name: "unpooled" type: "Upsample" bottom: "Upsample" bottom: "places" top: "unpooled" }
layer { name: "fixed" type: "Normalize" bottom: "UnPooling" top: "fixed" norm_param { fix_scale: true eps: 0.1 } }
layer { name: "unit" type: "Normalize" bottom: "fixed" top: "unit" top: "length" normalize_param { bp_norm: true } }
layer { name: "zoom" type: "Interp" bottom: "unpooled" top: "zoom" interp_param { zoom_factor: 2 pad_end: -1 } }
"""


def test_all_gradients_are_right(caffelite, folder):
    text, bottom = INPUT, "x"
    for kind, fields in LAYERS.items():
        before, behind = MORE_BOTTOMS.get(kind, ("", ""))
        text += (
            f'layer {{ name: "{kind}" type: "{kind}" {before} bottom: "{bottom}" {behind} top: "{kind}" {fields} }}\n'
        )
        bottom = kind
    (folder / "forks.prototxt").write_text(text + END)
    result = caffelite("check_gradient", "forks.prototxt")
    assert result.status == 0, result.out + result.err
    assert result.out.endswith("All gradients are right.\n")
    checked = {tuple(line.split()[:3]) for line in result.out.splitlines()}
    assert {(kind, kind, "bottom[0]") for kind in LAYERS} <= checked
    assert {("unpooled", "Upsample", "bottom[0]"), ("fixed", "Normalize", "bottom[0]")} <= checked
    assert {("Normalize", "Normalize", "blobs[0]"), ("Axpy", "Axpy", "bottom[2]")} <= checked
    assert {("unit", "Normalize", "bottom[0]"), ("zoom", "Interp", "bottom[0]")} <= checked
