import numpy as np
import pytest

from caffelite.core.errors import SolverError
from caffelite.core.events import Event
from caffelite.core.solver.range_test import RangeTest, range_test, suggest

FIELDS = 'base_lr: 0.05 lr_policy: "step" gamma: 0.5 stepsize: 2 momentum: 0.9 random_seed: 3 iter_size: 2 display: 1 '


def by_hand(lrs):
    """Return the losses of Solvers.CONSTANT_NET under plain descent: y = 0.5 w0 + 0.5 w1 + b, target -1."""
    weights, bias, losses = np.ones(2), 0.25, []
    for lr in lrs:
        error = 0.5 * weights.sum() + bias + 1
        losses.append(error**2 / 2)
        weights = weights - lr * 0.5 * error
        bias -= 2 * lr * error  # its lr_mult is 2
    return losses


def test_rates_losses_and_their_mean(solvers):
    solver = solvers.of('base_lr: 1 lr_policy: "fixed"', dtype=np.float64)
    found = range_test(solver, 0.001, 1, 7)
    np.testing.assert_allclose(found.lrs, [0.001 * 10 ** (i / 2) for i in range(7)])
    np.testing.assert_allclose(found.losses, by_hand(found.lrs))
    for i, smoothed in enumerate(found.smoothed):  # weights 1, 0.9, 0.81, ... from the newest back
        weights = 0.9 ** np.arange(i + 1)
        assert smoothed == pytest.approx(np.sum(weights * found.losses[i::-1]) / np.sum(weights))


def test_it_ends_when_the_loss_explodes_and_suggests_the_rate_of_three_quarters_of_the_fall(solvers):
    """Each step multiplies the error by 1 - 2.5 lr: it grows from a rate of 0.8 on."""
    solver = solvers.of('base_lr: 1 lr_policy: "fixed"', dtype=np.float64)
    found = range_test(solver, 0.001, 1000, 61)
    np.testing.assert_allclose(found.losses, by_hand(found.lrs), rtol=1e-9)
    assert len(found.lrs) < 61
    assert found.smoothed[-1] > 4 * min(found.smoothed)
    assert max(found.smoothed[found.lowest : -1]) <= 4 * min(found.smoothed)
    lowest = int(np.argmin(found.smoothed))
    assert found.lowest == lowest
    first = np.mean(found.losses[: len(found.losses) // 10])
    suggested = found.lrs.index(found.suggested)
    fallen = (first - np.array(found.smoothed)) / (first - found.smoothed[lowest])
    assert fallen[suggested] >= 0.75
    assert (fallen[:suggested] < 0.75).all()
    assert suggested < lowest
    assert found.reason.startswith(f"there the smoothed loss had come three quarters of its way down from {first:.6g}")
    assert found.reason.endswith(f"its lowest, at {found.lrs[lowest]:.3g}")
    assert "over 4 times its lowest" in found.end


def test_a_loss_that_is_no_number_ends_it(solvers):
    found = range_test(solvers.of('base_lr: 1 lr_policy: "fixed"'), 1e30, 1e38, 3)
    assert found.end == "the loss is inf"
    assert (found.losses[-1], found.smoothed[-1]) == (np.inf, np.inf)
    assert (len(found.lrs), found.lowest, found.suggested) == (2, 0, None)


def test_a_first_loss_that_is_no_number_is_the_reason():
    for loss in (np.nan, np.inf):
        found = RangeTest([1e-6], [loss], [np.inf])
        suggest(found)
        assert (found.suggested, found.reason) == (None, f"the first loss is {loss:g}, before any update")


def test_without_a_fall_there_is_no_suggestion(solvers):
    solver = solvers.of('base_lr: 1 lr_policy: "fixed"')
    found = range_test(solver, 1e-9, 1e-8, 5)
    assert found.suggested is None
    assert found.reason.startswith("the smoothed loss did not fall by 5%: it began with 2.53125")
    found = range_test(solver, 0.001, 0.3, 40)
    assert found.end == "the largest rate is reached"
    assert found.reason.endswith("the loss was still falling there: try a larger end")


def test_a_lucky_first_batch_does_not_count():
    """The loss of the first batch alone is below all later ones."""
    found = RangeTest([10.0**i for i in range(40)], [0.1] + 19 * [2.1] + 20 * [1.0])
    mean = 0.0
    for i, loss in enumerate(found.losses):
        mean = 0.9 * mean + 0.1 * loss
        found.smoothed.append(mean / (1 - 0.9 ** (i + 1)))
    assert min(found.smoothed) == found.smoothed[0] == pytest.approx(0.1)
    assert (found.beginning, found.lowest) == (4, 39)
    suggest(found)
    first, lowest = 1.6, found.smoothed[39]  # the mean of 0.1, 2.1, 2.1, 2.1
    wanted = next(i for i in range(3, 40) if found.smoothed[i] <= first - 0.75 * (first - lowest))
    assert found.suggested == 10.0**wanted


def found_of(losses):
    found = RangeTest([10.0**i for i in range(len(losses))], list(losses))
    for i in range(len(losses)):
        weights = 0.9 ** np.arange(i + 1)
        found.smoothed.append(float(np.sum(weights * found.losses[i::-1]) / np.sum(weights)))
    return found


def test_a_fall_that_the_spread_of_the_losses_explains_is_none():
    """Of 300 tests on noise 94 % fall by a twentieth; the same noise on a loss that does fall stays a fall."""
    random = np.random.default_rng(0)
    noise = random.normal(1, 0.3, (300, 200))
    of_noise = [found_of(losses) for losses in noise]
    for found in of_noise:
        suggest(found)
    assert sum(found.suggested is not None for found in of_noise) <= 6
    told = [found.reason for found in of_noise if "not beyond the spread of the losses" in found.reason]
    assert len(told) > 240
    for losses in noise[:50]:
        found = found_of(losses + np.linspace(2, 0, 200))
        suggest(found)
        assert found.suggested is not None


@pytest.mark.parametrize(("rest", "suggested"), [(0.2, True), (0.45, False)])
def test_four_standard_errors(rest, suggested):
    """Twenty losses that alternate, twenty lower ones: by hand, with a beginning of 4 losses, 1.5 in the mean."""
    losses = 10 * [1.5 - rest, 1.5 + rest] + 20 * [0.6]
    found = found_of(losses)
    steps = (19 * 2 * rest + (0.9 + rest)) / 39
    weights = 0.9 ** np.arange(40)
    error = steps * np.sqrt(np.pi) / 2 * np.sqrt(1 / 4 + np.sum(weights**2) / np.sum(weights) ** 2)
    assert (1.5 - found.smoothed[-1] > 4 * error) == suggested
    suggest(found)
    assert (found.suggested is not None) == suggested


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_the_solver_is_as_before_and_twice_gives_the_same(solvers, tmp_path, resumable_net, kind):
    """Positions in data, dropout, an LSTM's state, histories: the run goes on as if nothing had been in between."""
    fields = f'{FIELDS} type: "{kind}" test_iter: 1 test_interval: 2 snapshot: 3 snapshot_prefix: "{tmp_path}/a"'
    straight = solvers.of(fields, resumable_net)
    straight.step(7)
    tried = solvers.of(fields, resumable_net)
    heard, called = [], []
    tried.add_callback(lambda: called.append(1), lambda: called.append(2))
    first = range_test(tried, 1e-4, 1e6, 30)
    tried.step(4)
    before = [tried.net.arena.data.copy(), tried.net.arena.diff.copy(), *(h.copy() for h in tried.histories)]
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    calls, state, rate = len(called), tried.net.get_state(), tried.lr
    tried.events.add(heard.append)
    second, third = range_test(tried, 1e-4, 1e6, 30), range_test(tried, 1e-4, 1e6, 30)
    for array, copy in zip([tried.net.arena.data, tried.net.arena.diff, *tried.histories], before, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert (tried.iter, tried.lr, len(called), heard) == (4, rate, calls, list[Event]())
    np.testing.assert_equal(tried.net.get_state(), state)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert vars(second) == vars(third)
    assert first.losses[0] != second.losses[0]
    tried.step(3)
    np.testing.assert_array_equal(tried.net.arena.data, straight.net.arena.data)
    np.testing.assert_array_equal(tried.histories, straight.histories)
    straight.close()
    tried.close()


def test_it_is_as_before_after_an_error_too(solvers):
    solver = solvers.of(FIELDS, solvers.RANDOM_NET)
    solver.step(1)
    before = solver.net.arena.data.copy()

    def fail(index):
        if solver.net.context.passes == 12:
            raise ValueError("in the middle")

    solver.net.add_callback("after_forward", fail)
    with pytest.raises(ValueError, match="in the middle"):
        range_test(solver)
    np.testing.assert_array_equal(solver.net.arena.data, before)
    assert (solver.iter, solver.lr, solver.on_nan) == (1, np.float32(0.05), "stop")


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0, 1, 9), "the rates go from 0 to 1; use two numbers above 0 that grow"),
        ((1, 1, 9), "the rates go from 1 to 1; use"),
        ((1, float("inf"), 9), "the rates go from 1 to inf; use"),
        ((float("nan"), 1, 9), "the rates go from nan to 1; use"),
        ((1, 2, 1), "the number of iterations is 1; use 2 or more"),
    ],
)
def test_numbers_that_cannot_work_are_refused(solvers, numbers, text):
    with pytest.raises(SolverError, match=text):
        range_test(solvers.of(FIELDS), *numbers)


def test_a_training_net_that_writes_a_file_is_refused(solvers, tmp_path):
    output = 'layer { name: "out" type: "HDF5Output" bottom: "y" bottom: "t" hdf5_output_param { file_name: "FILE" } }'
    net = solvers.RANDOM_NET + output.replace("FILE", f"{tmp_path}/out.h5")
    solver = solvers.of(FIELDS, net)
    with pytest.raises(SolverError, match=r'layer "out" \(HDF5Output\): it writes a file, which a range test would ch'):
        range_test(solver)
    assert not list(tmp_path.iterdir())
    assert range_test(solvers.of(FIELDS, net.replace('"HDF5Output"', '"HDF5Output" include { phase: TEST }'))).lrs
