import numpy as np

from caffelite.comparing.nets import net_to_run

NET = """layer { name: "d" type: "Data" top: "x" top: "label" transform_param { crop_size: 4 force_gray: true }
  data_param { source: "absent" batch_size: 2 backend: LMDB } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 3 kernel_size: 3 } }
layer { name: "s" type: "Silence" bottom: "label" }
"""


def test_data_need_not_be_there_and_weights_are_equal_in_all_nets(tmp_path):
    (tmp_path / "a.prototxt").write_text(NET)
    (tmp_path / "b.prototxt").write_text(NET.replace('"x"', '"y"').replace("batch_size: 2", "batch_size: 5"))
    first, second = (net_to_run(tmp_path / f"{name}.prototxt") for name in "ab")
    assert first.blobs["x"].shape == (2, 1, 4, 4)
    assert first.params["c"][0].data.std() > 0.1
    np.testing.assert_array_equal(first.params["c"][0].data, second.params["c"][0].data)
    first.params["c"][0].data[...] = 7
    first.save(tmp_path / "w.caffemodel")
    loaded = net_to_run(tmp_path / "b.prototxt", tmp_path / "w.caffemodel")
    assert (loaded.params["c"][0].data == 7).all()
