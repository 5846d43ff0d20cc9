import numpy as np
import pytest

from caffelite.core.events import Action, NetTestFinished, NetTestInterrupted, NetTestStarted

FIXED = 'base_lr: 0.1 lr_policy: "fixed" max_iter: 5 snapshot_after_train: false test_interval: 1 '

TWO_OUTPUTS = """
layer { name: "data" type: "DummyData" top: "x" top: "t" dummy_data_param {
    shape { dim: 2 dim: 3 } shape { dim: 2 dim: 2 } data_filler { type: "gaussian" std: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 2
    weight_filler { type: "gaussian" std: 1 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" loss_weight: 0.5 }
layer { name: "out" type: "InnerProduct" bottom: "y" top: "out" inner_product_param { num_output: 1
    weight_filler { type: "gaussian" std: 1 } } }
"""


def events_of(solver):
    seen = []
    solver.events.add(seen.append)
    return seen


def test_outputs_are_means_over_the_batches(solvers):
    solver = solvers.of(FIXED + "test_iter: 3 test_compute_loss: true random_seed: 5", TWO_OUTPUTS)
    net = solver.test_nets[0]
    batches = []
    net.add_callback(
        "after_forward",
        lambda i: i == len(net.layers) - 1 and batches.append([v.copy() for _, _, v in net.output_values()]),
    )
    seen = events_of(solver)
    solver.test_all()
    started, finished = seen
    assert (started.index, started.batches) == (0, 3)
    assert [(output.name, output.loss_weight) for output in finished.outputs] == [("loss", 0.5), ("out", 0), ("out", 0)]
    losses = [batch[0][0] for batch in batches]
    assert finished.outputs[0].value == pytest.approx(np.mean(losses), rel=1e-6)
    assert finished.loss == pytest.approx(np.mean(losses) / 2, rel=1e-6)
    assert finished.outputs[2].value == pytest.approx(np.mean([batch[1][1] for batch in batches]), rel=1e-6)
    assert len({float(loss) for loss in losses}) == 3  # each batch draws its own numbers


def test_the_test_net_uses_the_trained_weights(solvers):
    solver = solvers.of(FIXED + "test_iter: 1")
    solver.step(2)
    solver.test_all()
    np.testing.assert_array_equal(solver.test_nets[0].params["ip"][0].data, solver.net.params["ip"][0].data)
    assert np.shares_memory(solver.test_nets[0].params["ip"][0].data, solver.net.arena.data)


def test_the_test_net_uses_the_training_nets_weights_from_the_start(solvers, tmp_path, dtype):
    fields = FIXED + f"test_iter: 1 random_seed: 3 snapshot_prefix: '{tmp_path}/a'"
    trained = solvers.of(fields, dtype=dtype)
    trained.step(3)
    model, state = trained.snapshot()
    expected = trained.net.params["ip"][0].data
    restored, copied = solvers.of(fields, dtype=dtype), solvers.of(fields, dtype=dtype)
    restored.restore(state)
    copied.net.copy_from(model)
    for solver in (restored, copied):
        np.testing.assert_array_equal(solver.test_nets[0].params["ip"][0].data, expected)
    before = copied.test_nets[0].forward()["loss"].copy()
    copied.test_all()
    np.testing.assert_array_equal(copied.test_nets[0].forward()["loss"], before)


def test_no_batches_give_no_outputs(solvers):
    solver = solvers.of(FIXED + "test_iter: 0 test_compute_loss: true")
    seen = events_of(solver)
    solver.test_all()
    assert (seen[1].outputs, seen[1].loss) == ((), None)


def test_a_stop_interrupts_the_test_after_what_else_was_asked(solvers, tmp_path):
    solver = solvers.of(FIXED + f"test_iter: 4 test_iter: 4 snapshot_prefix: '{tmp_path}/a'")
    asked = iter([Action.NONE, Action.SNAPSHOT, Action.STOP, Action.NONE])
    solver.action_source = lambda: next(asked)
    seen = events_of(solver)
    solver.step(1)
    kinds = [type(event) for event in seen]
    assert kinds[0] is NetTestStarted
    assert kinds[-1] is NetTestInterrupted
    assert NetTestFinished not in kinds
    assert (solver.iter, solver.stopped) == (0, True)
    assert (tmp_path / "a_iter_0.solverstate").exists()


def test_only_the_root_solver_tests(solvers):
    solver = solvers.of(FIXED + "test_iter: 1", solver_rank=1, solver_count=2)
    seen = events_of(solver)
    solver.test_all()
    assert seen == []


RANDOM_DATA = """
layer {{ name: "data" type: "Data" top: "x" top: "label" phase: TRAIN transform_param {{ mirror: true crop_size: 5 }}
    data_param {{ source: "{source}" backend: LMDB batch_size: 6 }} }}
layer {{ name: "noise" type: "DummyData" top: "noise" dummy_data_param {{
    shape {{ dim: 3 }} data_filler {{ type: "gaussian" std: 1 }} }} }}
"""


def test_random_draws_of_tests_are_functions_of_record_and_iteration(solvers, golden_folder):
    """Data layers go on from one test to the next, and draw anew for a record that comes again; others draw by pass."""
    net = RANDOM_DATA.format(source=golden_folder / "data" / "raw_lmdb")  # of 6 records

    def seen_in(*runs):
        solver = solvers.of(FIXED + "test_iter: 2 random_seed: 7", net)
        crops, noise = [], []
        test_net = solver.test_nets[0]

        def note(layer):
            if layer == 1:
                crops.append(test_net.blobs["x"].data.copy())
                noise.append(test_net.blobs["noise"].data.copy())

        test_net.add_callback("after_forward", note)
        for run in runs:
            run(solver)
        solver.close()
        return np.array(crops), np.array(noise)

    def test(solver):
        solver.test_all()

    crops, noise = seen_in(test, test, lambda solver: solver.count_iteration(), test)
    assert len({values.tobytes() for values in crops}) == 6  # the same records in each batch, cropped differently
    np.testing.assert_array_equal(noise[:2], noise[2:4])  # at the same iteration
    assert len({values.tobytes() for values in noise}) == 4
    again, noise_again = seen_in(test, test)
    np.testing.assert_array_equal(again, crops[:4])
    np.testing.assert_array_equal(noise_again, noise[:4])


NORMALIZED = """
layer { name: "data" type: "DummyData" top: "x" top: "t" dummy_data_param {
    shape { dim: 4 dim: 3 } shape { dim: 4 dim: 3 } data_filler { type: "gaussian" std: 1 } } }
layer { name: "bn" type: "BatchNorm" bottom: "x" top: "y" include { phase: TRAIN } }
layer { name: "NAME" type: "BatchNorm" bottom: "x" top: "y" include { phase: TEST } }
layer { name: "ip" type: "InnerProduct" bottom: "y" top: "z"
  inner_product_param { num_output: 3 weight_filler { type: "constant" value: 0 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "z" bottom: "t" top: "loss" }
"""


@pytest.mark.parametrize(("name", "warned"), [("bn", 0), ("bn_test", 1)])
def test_statistics_without_data_are_no_news_before_the_first_update(solvers, caplog, name, warned):
    caplog.set_level("WARNING", "caffelite")
    solver = solvers.of(FIXED + "test_iter: 1", NORMALIZED.replace("NAME", name))
    solver.test_all()
    assert not caplog.messages
    solver.step(3)
    said = [message.partition(": its statistics")[0] for message in caplog.messages]
    assert said == [f'net_param: layer "{name}" (BatchNorm)'] * warned


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_bad_output_of_a_test_is_told_once_and_the_run_goes_on(solvers, caplog, value, dtype):
    caplog.set_level("WARNING", "caffelite")
    solver = solvers.of(FIXED + "test_iter: 2 test_iter: 2 random_seed: 1", TWO_OUTPUTS, dtype=dtype)
    seen = events_of(solver)
    solver.step(2)
    assert not caplog.messages
    solver.net.params["ip"][0].data[0, 0] = value
    solver.test_all()
    solver.test_all()
    assert sum(type(event) is NetTestFinished for event in seen) == 8
    began = 'it began with param 0 of layer "ip" (InnerProduct)'
    assert [began in message and 'output "loss" is' in message for message in caplog.messages] == [True, True]
