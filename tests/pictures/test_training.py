import math

import numpy as np
import pytest

from caffelite.core.errors import UsageError
from caffelite.core.solver_log import LogRow, TrainingLog
from caffelite.pictures.training import show_training


def a_run(loss=0.5):
    return TrainingLog(
        [LogRow(0, lr=0.1, loss=2.0), LogRow(100, lr=0.01, loss=loss)],
        {0: [LogRow(0, outputs={"accuracy": 0.1, "loss": 2.5}), LogRow(100, outputs={"accuracy": 0.9, "loss": 0.75})]},
        {"loss"},
    )


def lines(figure):
    """Label -> points of each panel's lines, by the panel's name."""
    return {
        axes.get_ylabel(): {line.get_label(): line.get_xydata().tolist() for line in axes.lines} for axes in figure.axes
    }


def test_loss_accuracy_and_rate_of_one_run():
    assert lines(show_training({"a": a_run()})) == {
        "loss": {"train loss": [[0, 2], [100, 0.5]], "test loss": [[0, 2.5], [100, 0.75]]},
        "accuracy": {"test accuracy": [[0, 0.1], [100, 0.9]]},
        "learning rate": {"learning rate": [[0, 0.1], [100, 0.01]]},
    }


def test_several_runs_in_one_picture_have_a_colour_each():
    figure = show_training({"a": a_run(), "b": a_run(0.25)})
    assert lines(figure)["loss"]["b: train loss"] == [[0, 2], [100, 0.25]]
    colours = {line.get_label(): line.get_color() for line in figure.axes[0].lines}
    assert colours["a: train loss"] == colours["a: test loss"] != colours["b: test loss"]


def test_one_panel_alone():
    runs = {"a": a_run()}
    assert list(lines(show_training(runs, ["test loss"]))["test loss"]) == ["test loss"]
    assert list(lines(show_training(runs, ["train loss"]))["train loss"]) == ["train loss"]
    assert lines(show_training(runs, ["test accuracy"])) == {"test accuracy": {"test accuracy": [[0, 0.1], [100, 0.9]]}}
    with pytest.raises(UsageError, match="there is no test loss to draw"):
        show_training({"a": TrainingLog([LogRow(0, loss=1.0)])}, ["test loss"])


def test_over_seconds():
    run = TrainingLog([LogRow(0, 1.5, loss=3.0), LogRow(10, 2.5, loss=2.0)])
    figure = show_training({"a": run}, seconds=True)
    assert lines(figure)["loss"]["train loss"] == [[1.5, 3], [2.5, 2]]
    assert figure.axes[-1].get_xlabel() == "seconds"
    with pytest.raises(UsageError, match="the log b has no times"):
        show_training({"a": run, "b": a_run()}, seconds=True)


def test_what_a_resumed_run_did_again_takes_the_place_of_the_first_time():
    run = TrainingLog([LogRow(number, loss=loss) for number, loss in [(0, 3), (10, 2), (20, 9), (10, 2), (15, 1)]])
    assert lines(show_training({"a": run}))["loss"]["train loss"] == [[0, 3], [10, 2], [15, 1]]


def test_all_numbers_along_an_axis_are_of_one_size():
    figure = show_training({"a": TrainingLog([LogRow(0, loss=0.05), LogRow(10, loss=0.002)])})
    figure.canvas.draw()
    axis = figure.axes[0].yaxis
    marks = axis.get_major_ticks() + axis.get_minor_ticks()
    assert {mark.label1.get_fontsize() for mark in marks} == {8}


def test_panels_without_figures_are_left_out():
    assert list(lines(show_training({"a": TrainingLog([LogRow(0, loss=1.0)])}))) == ["loss"]
    with pytest.raises(UsageError, match="no loss, accuracy or learning rate"):
        show_training({"a": TrainingLog()})


def test_names_of_other_nets():
    outputs = {"loss3/loss3": 1.5, "loss3/top-1": 0.5, "other": 7.0}
    run = TrainingLog([], {0: [LogRow(0, outputs=outputs)], 2: [LogRow(0, outputs=outputs)]}, {"loss3/loss3"})
    assert lines(show_training({"a": run})) == {
        "loss": {"test #0 loss3/loss3": [[0, 1.5]], "test #2 loss3/loss3": [[0, 1.5]]},
        "accuracy": {"test #0 loss3/top-1": [[0, 0.5]], "test #2 loss3/top-1": [[0, 0.5]]},
    }


@pytest.mark.parametrize(("last", "scale"), [(0.5, "linear"), (0.01, "log"), (-1.0, "linear"), (math.nan, "linear")])
def test_a_loss_that_falls_far_is_drawn_on_a_logarithmic_scale(last, scale):
    figure = show_training({"a": a_run(last)})
    assert figure.axes[0].get_yscale() == scale
    figure._repr_png_()


def test_a_run_that_diverged_is_drawn():
    figure = show_training({"a": TrainingLog([LogRow(0, loss=math.nan), LogRow(10, loss=math.inf)])})
    assert figure.axes[0].texts[0].get_text() == "all values are nan or infinite"
    assert np.isnan(figure.axes[0].lines[0].get_ydata()[0])
    figure._repr_png_()
