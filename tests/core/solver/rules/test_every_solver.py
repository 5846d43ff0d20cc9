"""What Caffe computed, and what can be computed by hand, for every update rule."""

import math

import numpy as np
import pytest

from caffelite.core.events import IterationFinished
from caffelite.core.solver.solver import SOLVERS
from caffelite.core.weights.formats import copy_trained_layers
from caffelite.pycaffe_solver import get_solver

FIXED = 'base_lr: 0.1 lr_policy: "fixed" '
TYPES = ["AdaDelta", "AdaGrad", "Adam", "Nesterov", "RMSProp", "SGD"]

# Weight and bias after iterations 1 to 5, as Caffe printed them.
FIGURES = {
    "": [(0.8875, -0.2), (0.803125, -0.5375), (0.7398437, -0.790625), (0.6923828, -0.9804688), (0.6567871, -1.122852)],
    "momentum: 0.9 weight_decay: 0.1": [
        (0.8775, -0.2),
        (0.6746, -0.9405),
        (0.448539, -1.75377),
        (0.2558603, -2.424667),
        (0.1383312, -2.794713),
    ],
    'weight_decay: 0.1 regularization_type: "L1"': [
        (0.8775, -0.2),
        (0.783625, -0.5355),
        (0.7112188, -0.785125),
        (0.6549141, -0.9703438),
        (0.6106856, -1.107258),
    ],
    "clip_gradients: 1": [
        (0.9591752, 0.08670069),
        (0.9183503, -0.07659861),
        (0.8775255, -0.2398979),
        (0.8367007, -0.4031973),
        (0.7958758, -0.5664966),
    ],
    "clip_gradients: 1 iter_size: 2": [
        (0.9795876, 0.1683503),
        (0.9591752, 0.08670068),
        (0.9387628, 0.005051024),
        (0.9183505, -0.07659863),
        (0.897938, -0.1582483),
    ],
    "weight_decay: 0.1 iter_size: 2": [
        (0.8775, -0.2),
        (0.78485, -0.5355),
        (0.714534, -0.7853701),
        (0.6609305, -0.9712029),
        (0.6198348, -1.109148),
    ],
    'type: "Nesterov" momentum: 0.9': [
        (0.78625, -0.605),
        (0.5829062, -1.418375),
        (0.4374227, -2.000309),
        (0.3673656, -2.280538),
        (0.3657357, -2.287057),
    ],
    'type: "AdaGrad" delta: 1e-3': [
        (0.9000888, 0.05008884),
        (0.8346363, -0.08086011),
        (0.7839144, -0.1823331),
        (0.7418863, -0.2664114),
        (0.7057806, -0.3386404),
    ],
    'type: "AdaGrad" delta: 1e-3 weight_decay: 0.1': [
        (0.9000816, 0.05008884),
        (0.8345084, -0.08085983),
        (0.7836207, -0.1823274),
        (0.7413977, -0.2663947),
        (0.7050748, -0.3386067),
    ],
    'type: "RMSProp" rms_decay: 0.9 delta: 1e-3': [
        (0.6846586, -0.3815678),
        (0.5203015, -0.7106972),
        (0.4184308, -0.9146952),
        (0.3530736, -1.045579),
        (0.3113934, -1.129053),
    ],
    'type: "AdaDelta" momentum: 0.95 delta: 1e-6 base_lr: 1': [
        (0.9955279, 0.2410557),
        (0.9910121, 0.232024),
        (0.9864758, 0.2229512),
        (0.9819306, 0.2138608),
        (0.9773836, 0.2047668),
    ],
    'type: "Adam" momentum: 0.9 momentum2: 0.999 delta: 1e-8': [
        (0.9, 0.05000001),
        (0.8006256, -0.1487488),
        (0.7024567, -0.3450867),
        (0.6062307, -0.5375388),
        (0.5128689, -0.7242623),
    ],
    'type: "Adam" momentum: 0.9 momentum2: 0.99 delta: 1e-8 weight_decay: 0.5': [
        (0.9, 0.05),
        (0.8005261, -0.1488128),
        (0.7020558, -0.3453282),
        (0.6051887, -0.5381207),
        (0.5106671, -0.7253855),
    ],
}


def test_the_types_are_caffes():
    assert list(SOLVERS) == TYPES


@pytest.mark.parametrize("fields", FIGURES)
def test_weights_after_each_iteration_are_caffes(solvers, fields, dtype):
    base = FIXED.replace("base_lr: 0.1", "") if "base_lr" in fields else FIXED
    solver = solvers.of(base + fields, dtype=dtype)
    for weight, bias in FIGURES[fields]:
        solver.step(1)
        weights, biases = solvers.params_of(solver)
        np.testing.assert_allclose(weights, np.full((1, 2), weight), rtol=2e-6)
        np.testing.assert_allclose(biases, [bias], rtol=4e-6)


GOLDEN = ["adadelta", "adagrad", "adam", "nesterov", "rmsprop"]
GOLDEN += ["sgd", "sgd_clip", "sgd_inv", "sgd_iter_size", "sgd_l1", "sgd_multistep", "sgd_poly", "sgd_step"]


def golden_solver(case, folder):
    """Return the solver of a golden case, its inputs filled."""
    (folder / "net.prototxt").write_text(str(case["net"]))
    (folder / "solver.prototxt").write_text(f'net: "net.prototxt" {case["solver"]}')
    solver = get_solver(folder / "solver.prototxt")
    for input_name in ("data", "label"):
        solver.net.blobs[input_name].data[...] = case[input_name]
    return solver


def assert_params(solver, case, prefix):
    for key in case:
        if key.startswith(prefix):
            _, layer, index = key.split("_")
            values = solver.net.params[layer][int(index)].data
            np.testing.assert_allclose(values, case[key], rtol=1e-3, atol=1e-4, err_msg=key)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_convolutional_net_learns_as_in_caffe(golden_folder, tmp_path, name):
    case = np.load(golden_folder / "solvers" / f"{name}.npz")
    solver = golden_solver(case, tmp_path)
    for key in case:
        if key.startswith("init_"):
            _, layer, index = key.split("_")
            solver.net.params[layer][int(index)].data[...] = case[key]
    losses = []
    solver.events.add(lambda event: losses.append(event.loss) if isinstance(event, IterationFinished) else None)
    for end in (1, 2, 5, 12):
        solver.step(end - solver.iter)
        assert_params(solver, case, f"after{end}_")
    np.testing.assert_allclose(losses, case["loss"], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("name", "suffix"), [("binaryproto", ""), ("hdf5", ".h5")])
def test_a_run_that_caffe_began_ends_as_in_caffe(golden_folder, tmp_path, name, suffix):
    folder = golden_folder / "solvers" / "resume"
    for kind in ("caffemodel", "solverstate"):
        (tmp_path / f"snap_iter_5.{kind}{suffix}").write_bytes((folder / f"adam_iter_5.{kind}{suffix}").read_bytes())
    case = np.load(folder / f"adam_{name}.npz")
    solver = golden_solver(case, tmp_path)
    solver.restore(tmp_path / f"snap_iter_5.solverstate{suffix}")
    assert solver.iter == 5
    solver.step(7)
    assert_params(solver, case, "after12_")


# The rules computed by hand, in double precision: (g, rate, histories, param, iteration) -> update, histories.
def sgd(g, rate, h, param, t):
    h = [param.momentum * h[0] + rate * g]
    return h[0], h


def nesterov(g, rate, h, param, t):
    new = param.momentum * h[0] + rate * g
    return (1 + param.momentum) * new - param.momentum * h[0], [new]


def ada_grad(g, rate, h, param, t):
    h = [h[0] + g**2]
    return rate * g / (np.sqrt(h[0]) + param.delta), h


def rms_prop(g, rate, h, param, t):
    h = [param.rms_decay * h[0] + (1 - param.rms_decay) * g**2]
    return rate * g / (np.sqrt(h[0]) + param.delta), h


def ada_delta(g, rate, h, param, t):
    m, delta = param.momentum, param.delta
    new = m * h[0] + (1 - m) * g**2
    v = g * np.sqrt((h[1] + delta) / (new + delta))
    return rate * v, [new, m * h[1] + (1 - m) * v**2]


def adam(g, rate, h, param, t):
    m, m2 = param.momentum, param.momentum2
    first, second = m * h[0] + (1 - m) * g, m2 * h[1] + (1 - m2) * g**2
    correction = math.sqrt(1 - m2 ** (t + 1)) / (1 - m ** (t + 1))
    return rate * correction * first / (np.sqrt(second) + param.delta), [first, second]


BY_HAND = dict(zip(TYPES, (ada_delta, ada_grad, adam, nesterov, rms_prop, sgd), strict=True))

# Rate, weight decay and momentum that Caffe's own tests use.
LEAST_SQUARES = [
    *[("SGD", *values) for values in [(1, 0, 0), (0.01, 0.5, 0), (0.01, 0, 0.5), (0.01, 0.5, 0.5)]],
    *[("Nesterov", *values) for values in [(1, 0, 0), (0.01, 0.5, 0), (0.01, 0, 0.5), (0.01, 0.5, 0.9)]],
    *[("AdaGrad", *values) for values in [(1, 0, 0), (0.01, 0, 0), (0.01, 0.5, 0)]],
    *[("RMSProp", *values) for values in [(1, 0.5, 0), (0.01, 0, 0), (0.01, 0.5, 0)]],
    *[("AdaDelta", *values) for values in [(0.1, 0, 0), (0.1, 0.5, 0.95), (0.1, 0, 0.5), (0.1, 0.1, 0.95)]],
    *[("Adam", *values) for values in [(0.01, 0, 0.9), (0.01, 0.5, 0.9)]],
]


def fields_of(kind, rate, decay, momentum):
    given = f'type: "{kind}" lr_policy: "fixed" base_lr: {rate} weight_decay: {decay} momentum: {momentum} '
    return given + "random_seed: 1701 rms_decay: 0.95 delta: 0.001"


@pytest.mark.parametrize(("kind", "rate", "decay", "momentum"), LEAST_SQUARES)
def test_updates_are_those_computed_by_hand(solvers, kind, rate, decay, momentum):
    solver = solvers.of(fields_of(kind, rate, decay, momentum), solvers.RANDOM_NET, dtype=np.float64)
    param = solver.param
    weight, bias = solvers.params_of(solver)
    weights = np.vstack([weight.T, bias])
    histories = [np.zeros_like(weights)] * len(solver.histories)
    for t in range(5):
        solver.step(1)
        inputs, targets = solver.net.blobs["x"].data, solver.net.blobs["t"].data
        inputs = np.hstack([inputs, np.ones((len(inputs), 1))])
        gradient = inputs.T @ (inputs @ weights - targets) / len(inputs) + param.weight_decay * weights
        update, histories = BY_HAND[kind](gradient, param.base_lr, histories, param, t)
        weights = weights - update
        weight, bias = solvers.params_of(solver)
        np.testing.assert_allclose(np.vstack([weight.T, bias]), weights, rtol=1e-9)
        weight, bias = (param.blob.diff for param in solver.net.learnable_params)
        np.testing.assert_allclose(np.vstack([weight.T, bias]), update, rtol=1e-7, atol=1e-12)


def momentum_of(kind):
    return 0 if kind in ("AdaGrad", "RMSProp") else 0.9


SHARED = """
layer { name: "data" type: "DummyData" top: "x" top: "t" dummy_data_param {
    shape { dim: 2 dim: 2 } shape { dim: 2 dim: 1 }
    data_filler { type: "constant" value: 0.5 } data_filler { type: "constant" value: -1 } } }
""" + "\n".join(
    f"""layer {{ name: "{name}" type: "InnerProduct" bottom: "x" top: "{name}"
        param {{ name: "w" }} param {{ name: "b" lr_mult: 2 decay_mult: 0 }} inner_product_param {{ num_output: 1
        weight_filler {{ type: "constant" value: 1 }} bias_filler {{ type: "constant" value: 0.25 }} }} }}
        layer {{ name: "loss_{name}" type: "EuclideanLoss" bottom: "{name}" bottom: "t" top: "loss_{name}"
        loss_weight: 0.5 }}"""
    for name in "ab"
)


@pytest.mark.parametrize("kind", TYPES)
def test_shared_parameters_learn_as_one(solvers, kind):
    fields = fields_of(kind, 0.01, 0.5, momentum_of(kind))
    ours, theirs = solvers.of(fields, SHARED), solvers.of(fields)
    for solver in (ours, theirs):
        solver.step(5)
    assert len(ours.net.learnable_params) == 2
    for one, other in zip(solvers.params_of(ours), solvers.params_of(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


@pytest.mark.parametrize("kind", TYPES)
def test_small_batches_that_add_up_are_one_large_batch(solvers, kind):
    rng = np.random.Generator(np.random.Philox(key=3))
    values = {"x": rng.standard_normal((16, 5)), "t": rng.standard_normal((16, 3))}
    net = solvers.RANDOM_NET[solvers.RANDOM_NET.index('layer { name: "ip"') :]
    results = []
    for batch, iter_size in ((4, 1), (2, 2)):
        inputs = "".join(
            f'layer {{ name: "{name}" type: "Input" top: "{name}" '
            f"input_param {{ shape {{ dim: {batch} dim: {size} }} }} }}"
            for name, size in (("x", 5), ("t", 3))
        )
        fields = fields_of(kind, 0.01, 0.5, momentum_of(kind)) + f" iter_size: {iter_size}"
        solver = solvers.of(fields, inputs + net, dtype=np.float64)

        def feed(layer, of=solver.net, size=batch):
            first = of.context.passes * size
            for name, array in values.items():
                of.blobs[name].data[...] = array[first : first + size]

        solver.net.add_callback("before_forward", feed)
        solver.step(4)
        results.append(solvers.params_of(solver))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize("format", ["BINARYPROTO", "HDF5"])
@pytest.mark.parametrize("kind", TYPES)
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(solvers, tmp_path, kind, format, dtype):
    fields = fields_of(kind, 0.01, 0.5, momentum_of(kind))
    fields += f' iter_size: 2 snapshot_format: {format} snapshot_prefix: "{tmp_path}/a"'
    for half in (1, 4):
        straight = solvers.of(fields, solvers.RANDOM_NET, dtype=dtype)
        straight.step(half)
        model_file, state_file = straight.snapshot()
        straight.step(half)
        resumed = solvers.of(fields, solvers.RANDOM_NET, dtype=dtype)
        resumed.restore(state_file)
        resumed.step(half)
        for part in ("data", "diff"):
            np.testing.assert_array_equal(getattr(resumed.net.arena, part), getattr(straight.net.arena, part))
        np.testing.assert_array_equal(resumed.histories, straight.histories)
        assert np.ptp(straight.net.arena.data) > 0
        copy_trained_layers(solvers.of(fields, solvers.RANDOM_NET, dtype=dtype).net.weight_layers(), model_file)


@pytest.mark.parametrize("kind", TYPES)
def test_large_arenas_are_updated_as_small_ones(solvers, kind):
    net = solvers.RANDOM_NET.replace("dim: 4 dim: 5", "dim: 4 dim: 12000")
    fields = fields_of(kind, 0.1, 0.5, momentum_of(kind))
    solver = solvers.of(fields, net)
    param = solver.param
    before = solvers.params_of(solver)
    histories = [[np.zeros(values.shape)] * len(solver.histories) for values in before]
    for t in range(2):
        solver.net.arena.diff.fill(3)
        solver.apply_update()
        for index, values in enumerate(before):
            gradient = 3 + param.weight_decay * values.astype(np.float64)
            update, histories[index] = BY_HAND[kind](gradient, param.base_lr, histories[index], param, t)
            before[index] = values - update
    for ours, by_hand in zip(solvers.params_of(solver), before, strict=True):
        np.testing.assert_allclose(ours, by_hand, rtol=2e-5, atol=1e-5)
