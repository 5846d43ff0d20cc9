"""What RNN and LSTM have in common: shapes, the state over batches, what they refuse, the unrolled net's log."""

import logging

import numpy as np
import pytest
from google.protobuf import text_format

from caffelite.core.errors import LayerError, WeightsError
from caffelite.core.layer import check_blob_counts
from caffelite.proto.caffe_pb2 import TEST, TRAIN, NetParameter, SolverParameter
from caffelite.pycaffe import Net
from caffelite.pycaffe_solver import get_solver
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, set_up

RNG = np.random.default_rng(1)
TYPES = ["RNN", "LSTM"]
FILLERS = 'weight_filler { type: "gaussian" std: 0.2 } bias_filler { type: "gaussian" std: 0.1 }'


def recurrent(type_name, num_output=7, fields="", **options):
    text = f'type: "{type_name}" recurrent_param {{ num_output: {num_output} {FILLERS} {fields} }}'
    return layer_from(text, **options)


def blobs(x, cont, *more):
    return [blob_of(array) for array in (x, cont, *more)]


def run(layer, bottom, top):
    layer.reshape(bottom, top)
    layer.forward(bottom, top)
    return top[0].data.copy()


@pytest.mark.parametrize(
    ("type_name", "static", "shapes"),
    [
        ("RNN", True, [(4, 10), (4,), (4, 7), (4, 4), (4, 4), (4,)]),
        ("RNN", False, [(4, 10), (4,), (4, 4), (4, 4), (4,)]),
        ("LSTM", True, [(16, 10), (16,), (16, 7), (16, 4)]),
        ("LSTM", False, [(16, 10), (16,), (16, 4)]),
    ],
)
def test_shapes_of_parameters_and_top(type_name, static, shapes):
    layer = recurrent(type_name, 4)
    bottom = blobs(np.ones((3, 2, 2, 5)), np.ones((3, 2)), *[np.ones((2, 7))] * static)
    top = set_up(layer, bottom)
    assert [blob.shape for blob in layer.blobs] == shapes
    assert top[0].shape == (3, 2, 4)


@pytest.mark.parametrize("type_name", TYPES)
def test_steps_in_one_batch_equal_steps_in_batches_of_one(type_name):
    x = RNG.normal(size=(3, 3, 3, 2))
    cont = np.repeat([[0.0], [1], [1]], 3, axis=1)
    bottom = blobs(x, cont)
    layer = recurrent(type_name, phase=TEST)
    together = run(layer, bottom, set_up(layer, bottom))
    for first_cont, agree in ((1, True), (0, False)):
        layer = recurrent(type_name, phase=TEST)
        bottom = blobs(x[:1], cont[:1])
        top = set_up(layer, bottom)
        for t in range(3):
            bottom[0].data[...], bottom[1].data[...] = x[t], first_cont * cont[t]
            equal = abs(run(layer, bottom, top)[0] - together[t]) < 1e-12
            assert (equal == (agree or t == 0)).all()


@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize(
    ("steps", "streams", "cont", "static"),
    [(1, 3, [[0, 0, 0]], ()), (1, 3, [[0, 0, 1]], ()), (2, 2, [[0, 0], [0, 1]], ()), (2, 2, [[0, 0], [0, 1]], (3, 4))],
)
def test_gradient(type_name, steps, streams, cont, static):
    bottom = [RNG.normal(size=(steps, streams, 3, 2)), np.array(cont, float)]
    bottom += [RNG.normal(size=(streams, *static))] if static else []
    check_gradient(recurrent(type_name), bottom, check_params=steps == 1, step=1e-4, threshold=1e-6)


@pytest.mark.parametrize("type_name", TYPES)
def test_shared_weights_by_name_are_one_array(type_name):
    """Caffe computes with stale weights in the second layer from step 2 on."""
    count = 5 if type_name == "RNN" else 3
    params = "".join(f'param {{ name: "p{i}" }}' for i in range(count))
    layers = "".join(
        f"""layer {{ name: "{name}" type: "{type_name}" bottom: "x" bottom: "cont" top: "{name}" {params}
        recurrent_param {{ num_output: 4 {FILLERS} }} }}"""
        for name in ("first", "second")
    )
    net = net_from(inputs(steps=3) + layers)
    outputs = net.forward(x=RNG.normal(size=(3, 2, 5)), cont=np.ones((3, 2)))
    np.testing.assert_array_equal(outputs["first"], outputs["second"])
    assert abs(outputs["first"]).min() > 0


def inputs(steps, streams=2):
    return f"""
        layer {{ name: "in" type: "Input" top: "x" top: "cont" input_param {{
            shape {{ dim: {steps} dim: {streams} dim: 5 }} shape {{ dim: {steps} dim: {streams} }} }} }}"""


def net_from(text, phase=TRAIN):
    return Net(text_format.Parse(text, NetParameter()), phase, seed=1)


@pytest.mark.parametrize("type_name", TYPES)
def test_a_test_net_of_other_size_has_its_own_state(type_name):
    layer = f"""layer {{ name: "r" type: "{type_name}" bottom: "x" bottom: "cont" top: "y"
        recurrent_param {{ num_output: 4 {FILLERS} }} }}"""
    train, test = net_from(inputs(3) + layer), net_from(inputs(2, streams=5) + layer, TEST)
    test.share_trained_layers_with(train)
    x = RNG.normal(size=(3, 2, 5))
    first = train.forward(x=x, cont=np.ones((3, 2)))["y"].copy()
    tested = test.forward(x=np.tile(x[:2, :1], (1, 5, 1)), cont=np.ones((2, 5)))["y"]
    for stream in range(5):
        np.testing.assert_allclose(tested[:, stream], first[:2, 0], rtol=1e-5)
    second = train.forward(x=x, cont=np.ones((3, 2)))["y"]
    assert (abs(second - first) > 1e-6).all(), "the state was not carried over"


@pytest.mark.parametrize("type_name", TYPES)
def test_forward_in_float32_equals_float64(type_name):
    x, cont = RNG.normal(size=(5, 30, 20)), RNG.random((5, 30)) < 0.7
    tops = []
    for dtype in (np.float32, np.float64):
        layer = recurrent(type_name, 40, dtype=dtype, name="same")
        bottom = [blob_of(x, dtype), blob_of(cont, dtype)]
        top = set_up(layer, bottom)
        for index, blob in enumerate(layer.blobs):
            blob.data[...] = np.random.default_rng(index).normal(size=blob.shape) * 0.2
        layer.forward(bottom, top)
        top[0].diff[...] = x[..., :1]
        run_backward(layer, bottom, top)
        tops.append([top[0].data, bottom[0].diff, *[blob.diff for blob in layer.blobs]])
    for single, double in zip(*tops, strict=True):
        np.testing.assert_allclose(single, double, atol=2e-5 * max(1, abs(double).max()))


@pytest.mark.parametrize("type_name", TYPES)
def test_all_gradients_are_computed_whatever_is_asked_for(type_name):
    layer = recurrent(type_name)
    bottom = blobs(RNG.normal(size=(2, 3, 4)), np.ones((2, 3)), RNG.normal(size=(3, 5)))
    top = set_up(layer, bottom)
    layer.param_propagate_down = [False] * len(layer.blobs)
    layer.forward(bottom, top)
    top[0].diff[...] = 1
    run_backward(layer, bottom, top, [False, False, False])
    for blob in (bottom[0], bottom[2], *layer.blobs):
        assert (blob.diff != 0).all()


@pytest.mark.parametrize("type_name", TYPES)
def test_state_can_be_taken_up_by_another_layer(type_name):
    layer, other = recurrent(type_name), recurrent(type_name)
    x, cont = RNG.normal(size=(2, 3, 4)), np.ones((2, 3))
    bottom, bottom_of_other = blobs(x, cont), blobs(x, cont)
    top, top_of_other = set_up(layer, bottom), set_up(other, bottom_of_other)
    run(layer, bottom, top)
    for blob, shape in zip(bottom, [(2, 2, 4), (2, 2)], strict=True):
        blob.reshape(*shape)  # the third stream rests, its state is kept
    run(layer, bottom, top)
    other.set_state(layer.get_state())
    for blob, values in zip(bottom, (x, cont), strict=True):
        blob.reshape(*values.shape)
        blob.data[...] = values
    expected = run(layer, bottom, top)
    np.testing.assert_array_equal(run(other, bottom_of_other, top_of_other), expected)
    other.reset()
    assert (run(other, bottom_of_other, top_of_other) != expected).all()


@pytest.mark.parametrize("type_name", TYPES)
def test_a_resumed_run_ends_where_an_uninterrupted_one_would(type_name, tmp_path):
    param = SolverParameter(
        base_lr=0.1, lr_policy="fixed", momentum=0.9, random_seed=1, snapshot_prefix=f"{tmp_path}/a"
    )
    text = f"""
        layer {{ name: "x" type: "DummyData" top: "x" top: "cont" dummy_data_param {{ data_filler {{ type: "gaussian" }}
            data_filler {{ value: 1 }} shape {{ dim: 3 dim: 2 dim: 4 }} shape {{ dim: 3 dim: 2 }} }} }}
        layer {{ name: "r" type: "{type_name}" bottom: "x" bottom: "cont" top: "y" loss_weight: 1
            recurrent_param {{ num_output: 4 {FILLERS} }} }}"""
    text_format.Parse(text, param.net_param)
    whole, resumed = get_solver(param), get_solver(param)
    whole.step(2)
    _, state_file = whole.snapshot()
    whole.step(2)
    resumed.restore(state_file)
    resumed.step(2)
    np.testing.assert_array_equal(resumed.net.arena.data, whole.net.arena.data)
    resumed.restore(state_file)
    resumed.net.layer_dict["r"].reset()
    resumed.step(2)
    assert (resumed.net.arena.data != whole.net.arena.data).any(), "the state is of no consequence here"


@pytest.mark.parametrize("state", [{"h": np.zeros(8)}, {"h": np.zeros(8), "c": np.zeros(8)}, {"position": 3}])
def test_refuses_the_state_of_another_layer(state):
    layer = recurrent("LSTM", 5)
    set_up(layer, blobs(np.ones((1, 2, 3)), np.ones((1, 2))))
    with pytest.raises(WeightsError, match="layer keeps|does not fit: h holds 8 values, no multiple of .*, 5"):
        layer.set_state(state)


@pytest.mark.parametrize("type_name", TYPES)
def test_values_in_the_layers_own_message_are_not_taken(type_name):
    layer = layer_from(f"""type: "{type_name}" recurrent_param {{ num_output: 1 {FILLERS} }}
        blobs {{ shape {{ dim: 2 }} data: 1 data: 2 }}""")
    bottom = blobs(np.ones((1, 1, 1)), np.ones((1, 1)))
    set_up(layer, bottom)
    filled = recurrent(type_name, 1)
    set_up(filled, bottom)
    for blob, expected in zip(layer.blobs, filled.blobs, strict=True):
        np.testing.assert_array_equal(blob.data, expected.data)


@pytest.mark.parametrize("type_name", TYPES)
def test_parameters_do_not_depend_on_the_number_of_steps(type_name):
    short, long = recurrent(type_name), recurrent(type_name)
    set_up(short, blobs(np.ones((1, 2, 3)), np.ones((1, 2))))
    set_up(long, blobs(np.ones((9, 2, 3)), np.ones((9, 2))))
    for one, other in zip(short.blobs, long.blobs, strict=True):
        np.testing.assert_array_equal(one.data, other.data)
        assert (one.data != 0).all()


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(3, 2), (3, 2)], r"bottom\[0\] is 3 2 \(6\); it needs the axes \(time steps, streams, values"),
        ([(0, 2, 1), (0, 2)], r"bottom\[0\] is 0 2 1 \(0\); .* none of them empty"),
        ([(3, 2, 1), (3, 2, 1)], r"bottom\[1\] is 3 2 1 \(6\); .* needs 3 2 \(6\)"),
        ([(3, 2, 1), (2, 3)], r"bottom\[1\] is 2 3"),
        ([(3, 2, 1), (3, 2), (3, 4)], r"bottom\[2\] is 3 4 \(12\); the static input .* of 2 streams"),
        ([(3, 2, 1), (3, 2), (2,)], r"bottom\[2\] is 2 \(2\); the static input"),
        ([(3, 2, 1)], "bottom is given 1 times; .* Layer takes at least 2 bottom"),
        ([(3, 2, 1), (3, 2), (2, 1), (2, 1)], "bottom is given 4 times; .* takes at most 3"),
    ],
)
@pytest.mark.parametrize("type_name", TYPES)
def test_refusals_at_set_up(type_name, shapes, message):
    with pytest.raises(LayerError, match=message):
        set_up(recurrent(type_name), [blob_of(np.ones(shape)) for shape in shapes])


@pytest.mark.parametrize("type_name", TYPES)
def test_refuses_to_have_no_output(type_name):
    with pytest.raises(LayerError, match=r"recurrent_param\.num_output is 0; num_output must be positive"):
        set_up(layer_from(f'type: "{type_name}"'), blobs(np.ones((3, 2, 1)), np.ones((3, 2))))


@pytest.mark.parametrize(
    ("type_name", "bottoms", "tops"), [("RNN", (3, 4), 2), ("LSTM", (4, 5), 3)], ids=["RNN", "LSTM"]
)
def test_numbers_of_blobs_with_exposed_states(type_name, bottoms, tops):
    layer = recurrent(type_name, fields="expose_hidden: true")
    for count in bottoms:
        check_blob_counts(layer, count, tops)
    for bottom_count, top_count in ((bottoms[0] - 1, tops), (bottoms[1] + 1, tops), (bottoms[0], tops - 1)):
        with pytest.raises(LayerError, match="is given . times"):
            check_blob_counts(layer, bottom_count, top_count)
    with pytest.raises(LayerError, match="produces 1 top"):
        check_blob_counts(recurrent(type_name), 2, 2)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(2, 2, 5), (2, 2), (2, 4)], r"bottom\[0\] is 2 2 5 \(20\); input number of timesteps changed: it was 3"),
        ([(3, 2, 6), (3, 2), (2, 4)], r"bottom\[0\] is 3 2 6 \(36\); the weights are for items of 5 values"),
        ([(3, 2, 5), (3, 2), (2, 3)], r"bottom\[2\] is 2 3 \(6\); the weights are for items of 4 values"),
        ([(3, 4, 5), (3, 2), (2, 4)], r"bottom\[1\] is 3 2 \(6\); .* needs 3 4 \(12\)"),
    ],
)
@pytest.mark.parametrize("type_name", TYPES)
def test_refusals_of_later_shapes(type_name, shapes, message):
    layer = recurrent(type_name)
    bottom = blobs(np.ones((3, 2, 5)), np.ones((3, 2)), np.ones((2, 4)))
    top = set_up(layer, bottom)
    for blob, shape in zip(bottom, shapes, strict=True):
        blob.reshape(*shape)
    with pytest.raises(LayerError, match=message):
        layer.reshape(bottom, top)


@pytest.mark.parametrize("type_name", TYPES)
def test_refuses_the_gradient_of_cont(type_name):
    layer = recurrent(type_name)
    bottom = blobs(np.ones((3, 2, 5)), np.ones((3, 2)), np.ones((2, 4)))
    top = set_up(layer, bottom)
    layer.forward(bottom, top)
    assert [layer.allow_force_backward(i) for i in range(3)] == [True, False, True]
    with pytest.raises(LayerError, match=r"propagate_down\[1\] is true; Cannot backpropagate to sequence indicators"):
        run_backward(layer, bottom, top, [True, True, True])


FORWARD = {
    "LSTM": """r_x_transform top W_xc_x, r_x_transform param W_xc, r_x_transform param b_c,
        r_h_conted_0 top h_conted_0, r_transform_1 top W_hc_h_0, r_transform_1 param W_hc,
        r_gate_input_1 top gate_input_1, r_unit_1 top c_1, r_unit_1 top h_1, r_h_concat top h""",
    "RNN": """r_x_transform top W_xh_x, r_x_transform param W_xh, r_x_transform param b_h,
        r_h_conted_0 top h_conted_0, r_W_hh_h_0 top W_hh_h_0, r_W_hh_h_0 param W_hh,
        r_h_input_sum_1 top h_neuron_input_1, r_h_neuron_1 top h_1, r_W_ho_h_1 top W_ho_h_1, r_W_ho_h_1 param W_ho,
        r_W_ho_h_1 param b_o, r_o_neuron_1 top o_1, r_o_concat top o""",
}


@pytest.mark.parametrize("type_name", TYPES)
def test_debug_info_shows_the_inside(type_name, caplog):
    layer = recurrent(type_name, 1, "debug_info: true", name="r")
    bottom = blobs(np.ones((1, 1, 1)), np.ones((1, 1)))
    top = set_up(layer, bottom)
    for blob in layer.blobs:
        blob.data[...] = 0.5
    with caplog.at_level(logging.INFO, "caffelite"):
        layer.forward(bottom, top)
        top[0].diff[...] = 1
        run_backward(layer, bottom, top)
    forward = [line for line in caplog.messages if line.startswith("    [Forward] Layer ")]
    shown = [line.split("Layer ")[1].split(" data: ")[0].replace(" blob", "").replace(",", "") for line in forward]
    assert shown == [entry.strip() for entry in FORWARD[type_name].replace("\n", " ").split(",")]
    total = "gate_input_1" if type_name == "LSTM" else "h_neuron_input_1"
    assert f"top blob {total} data: 1" in " ".join(forward)
    backward = [line for line in caplog.messages if line.startswith("    [Backward] Layer r_x_transform, ")]
    for line, blob in zip(backward, (bottom[0], *layer.blobs[:2]), strict=True):
        assert line.endswith(f" diff: {abs(blob.diff).mean():g}")


@pytest.mark.parametrize("type_name", TYPES)
def test_set_up_says_one_line(type_name, caplog):
    with caplog.at_level(logging.INFO, "caffelite"):
        set_up(recurrent(type_name), blobs(np.ones((20, 3, 2)), np.ones((20, 3))))
    text = "Initializing recurrent layer: assuming input batch contains 20 timesteps of 3 independent streams."
    assert caplog.messages == [text]
