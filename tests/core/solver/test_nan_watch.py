import warnings

import numpy as np
import pytest

from caffelite.core.errors import SolverError
from caffelite.core.solver.nan_watch import first_bad_blob
from caffelite.core.solver.rules.sgd import SGDSolver
from caffelite.core.solver.solver import SOLVERS, Update

FIXED = 'base_lr: 0.1 lr_policy: "fixed" snapshot_after_train: false '


def diverging(solvers, fields="", **options):
    return solvers.of(
        f'base_lr: 1e12 lr_policy: "fixed" momentum: 0.9 random_seed: 1 {fields}', solvers.RANDOM_NET, **options
    )


def test_a_diverging_run_stops_and_names_iteration_layer_and_snapshot(solvers, tmp_path):
    solver = diverging(solvers, f'snapshot: 1 snapshot_prefix: "{tmp_path}/a"')
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SolverError) as caught:
            solver.step(100)
    last = solver.iter
    assert 0 < last < 10
    assert str(caught.value) == (
        f'iteration {last}: the loss is inf; it began with top "loss" of layer "loss" (EuclideanLoss); the last '
        f"snapshot is {tmp_path}/a_iter_{last}.solverstate. Use a smaller base_lr or clip_gradients, and look at "
        "the data; --on-nan ignore (on_nan of the solver) goes on"
    )
    solvers.of(FIXED, solvers.RANDOM_NET).restore(tmp_path / f"a_iter_{last}.solverstate")


def test_ignoring_goes_on_as_caffe_does(solvers, tmp_path):
    solver = diverging(solvers, f'snapshot_prefix: "{tmp_path}/a"')
    solver.on_nan = "ignore"
    solver.step(30)
    assert not np.isfinite(solver.net.arena.data).all()
    solver.snapshot()
    solver.on_nan = "stop"
    with pytest.raises(SolverError, match=r"iteration 30: param 0 of layer "):
        solver.snapshot()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_parameter_goes_bad_without_the_loss(solvers, tmp_path, value, dtype):
    solver = solvers.of(FIXED + f'snapshot: 1 snapshot_prefix: "{tmp_path}/a"', dtype=dtype)
    solver.step(1)

    def spoil():
        solver.net.params["ip"][1].diff[...] = value

    solver.add_callback(lambda: None, spoil)
    text = (
        r'iteration 2: param 1 of layer "ip" \(InnerProduct\) has values that are nan or infinite; the last .*a_iter_1'
    )
    with pytest.raises(SolverError, match=text):
        solver.step(1)
    assert {path.name for path in tmp_path.iterdir()} == {"a_iter_1.caffemodel", "a_iter_1.solverstate"}


def test_large_parameters_whose_squares_overflow_are_no_mistake(solvers):
    solver = solvers.of('base_lr: 0 lr_policy: "fixed"')
    solver.net.params["ip"][0].data[...] = 1e25
    solver.net.params["ip"][0].data[0, 1] = -1e25
    solver.step(1)
    assert solver.apply_update().finite is None


def test_the_first_bad_blob_is_found_in_the_order_of_layers(solvers):
    net = solvers.of(FIXED).net
    assert first_bad_blob(net) == ""
    net.blobs["y"].data[0] = np.nan
    assert first_bad_blob(net) == 'top "y" of layer "ip" (InnerProduct)'
    net.blobs["x"].data[0, 0] = np.inf
    assert first_bad_blob(net) == 'top "x" of layer "data" (DummyData)'


def test_bad_losses_of_any_batch_of_an_iteration_are_found(solvers):
    solver = solvers.of(FIXED + "iter_size: 3")
    blob = solver.net.blobs["x"]

    def spoil(layer):
        blob.data[...] = np.nan if solver.net.context.passes == 1 else 0.5

    solver.net.add_callback("after_forward", lambda layer: spoil(layer) if layer == 0 else None)
    with pytest.raises(SolverError, match=r'iteration 0: the loss is nan; it began with top "x" of layer "data"'):
        solver.step(1)


LARGE_NET = """
layer { name: "data" type: "DummyData" top: "x" top: "t" dummy_data_param {
    shape { dim: 1 dim: 20000 } shape { dim: 1 dim: 2 } data_filler { type: "constant" value: 0.5 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 2
    weight_filler { type: "constant" value: 1 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" loss_weight: 1e-6 }
"""


@pytest.mark.parametrize("net", ["small", "large"])
@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", list(SOLVERS))
def test_every_rule_notices_what_its_update_made(solvers, kind, value, index, net):
    """Of a net whose arena one thread updates, and of one that all threads share; the last element goes bad."""
    fields = f'type: "{kind}" base_lr: 0.01 lr_policy: "fixed" '
    solver = solvers.of(fields, LARGE_NET if net == "large" else solvers.CONSTANT_NET)
    solver.step(1)
    updates = []
    apply_update = solver.apply_update
    solver.apply_update = lambda: updates.append(apply_update()) or updates[-1]
    solver.step(1)
    data = solver.net.params["ip"][index].data.reshape(-1)
    solver.add_callback(lambda: None, lambda: data.__setitem__(-1, value))  # after the loss, before the update
    with pytest.raises(SolverError, match=rf'iteration 3: param {index} of layer "ip" .* has values that are nan or'):
        solver.step(1)
    assert [update.finite for update in updates] == [True, None]


@pytest.mark.parametrize("net", ["small", "large"])
@pytest.mark.parametrize("kind", ["AdaGrad", "RMSProp", "AdaDelta", "Adam"])
def test_a_square_that_overflows_is_noticed_though_the_parameters_are_finite(solvers, tmp_path, kind, net, dtype):
    """The element would stand still for ever: its step is the gradient over the root of infinity."""
    fields = f'type: "{kind}" base_lr: 0.01 lr_policy: "fixed" momentum: {0.9 if kind[:4] in ("AdaD", "Adam") else 0} '
    fields += f'snapshot_prefix: "{tmp_path}/a"'
    solver = solvers.of(fields, LARGE_NET if net == "large" else solvers.CONSTANT_NET, dtype=dtype)
    solver.step(1)
    diff = solver.net.params["ip"][0].diff.reshape(-1)
    large = 1e20 if dtype == np.float32 else 1e160
    solver.add_callback(lambda: None, lambda: diff.__setitem__(-1, large))
    text = r'iteration 2: the history of param 0 of layer "ip" \(InnerProduct\) is nan or infinite: a grad'
    with pytest.raises(SolverError, match=text):
        solver.step(1)
    assert np.isfinite(solver.net.arena.data).all()
    with pytest.raises(SolverError, match=text):
        solver.snapshot()
    assert not list(tmp_path.iterdir())
    solver.on_nan = "ignore"
    solver.step(1)
    state_file = solver.snapshot().state_file
    resumed = solvers.of(fields, LARGE_NET if net == "large" else solvers.CONSTANT_NET, dtype=dtype)
    resumed.restore(state_file)
    with pytest.raises(SolverError, match="the history of param 0 of layer"):
        resumed.step(1)


def test_a_rule_that_does_not_know_has_its_results_looked_at(solvers):
    class Careless(SGDSolver):
        def apply_update(self):
            self.net.learnable_params[1].blob.data[...] = np.nan
            self.count_iteration()
            return Update(0.5)

    solver = Careless(solvers.param(FIXED))
    with pytest.raises(SolverError, match=r'iteration 1: param 1 of layer "ip" '):
        solver.step(1)
