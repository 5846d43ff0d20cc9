import numpy as np
import pytest

pytest.importorskip("matplotlib")

from caffelite.pictures.lr_range import show_lr_range


def test_losses_over_rates_and_the_suggestion():
    lrs, losses, smoothed = [0.001, 0.01, 0.1, 1.0], [4.0, 2.0, 1.0, 900.0], [4.0, 3.0, 2.0, 300.0]
    axes = show_lr_range(lrs, losses, smoothed, 0.01).axes[0]
    points, curve, line = axes.lines
    assert list(points.get_xdata()) == lrs and list(points.get_ydata()) == losses
    assert list(curve.get_ydata()) == smoothed
    assert list(line.get_xdata()) == [0.01, 0.01]
    low, high = axes.get_ylim()
    assert low < 1 and 4 < high < 10  # what explodes leaves the picture
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["loss", "smoothed", "suggested: 0.01"]


@pytest.mark.parametrize("losses", [[np.nan], [np.inf, np.inf], [2.0, 2.0], [0.0, 0.0]])
def test_there_is_a_picture_without_a_fall(losses):
    figure = show_lr_range([0.1, 1.0][: len(losses)], losses, losses, None)
    figure.canvas.draw()
    assert len(figure.axes[0].lines) == 2


def test_a_curve_that_rises_from_a_lucky_first_loss_stays_in_the_picture():
    axes = show_lr_range([1.0, 2.0, 3.0, 4.0], [0.2, 9.0, 0.1, 99.0], [0.2, 0.6, 0.5, 50.0], None).axes[0]
    low, high = axes.get_ylim()
    assert low < 0.1 and 0.6 < high < 1
