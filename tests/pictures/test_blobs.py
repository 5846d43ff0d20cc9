import numpy as np
import pytest

from caffelite.core.errors import UnknownNameError, UsageError


@pytest.fixture
def run(net):
    """The net after a pass with random images."""
    net.forward(x=np.random.default_rng(1).normal(size=(2, 1, 6, 5)))
    return net


def shown(figure, axes=0):
    return np.ma.filled(figure.axes[axes].images[0].get_array(), np.nan)


def heading(figure):
    return figure.axes[0].get_title("left")


def note(figure, axes=0):
    return figure.axes[axes].texts[0].get_text()


def test_channels_are_tiles_of_one_image_of_the_batch(run):
    values = run.blobs["c1"].data
    figure = run.show("activations", "c1", sample=1)
    for index, (top, left) in enumerate([(0, 0), (0, 4), (0, 8), (5, 0)]):
        np.testing.assert_allclose(shown(figure)[top : top + 4, left : left + 3], values[1, index])
    assert heading(figure) == "c1: 4 channels of 4x3"
    assert note(figure).startswith("made by c1, then relu in place; 0 to ")


def test_a_blob_by_its_name_and_without_pixels_as_bars(run):
    figure = run.show("activations", "s2")
    np.testing.assert_allclose(figure.axes[0].patches[0].get_data().values, run.blobs["s2"].data[0])
    best = int(run.blobs["s2"].data[0].argmax())
    assert note(figure).startswith(f"made by slice; largest: {best} with ")


def test_an_input_of_three_channels_is_an_image_red_first(colour_net):
    image = np.random.default_rng(2).uniform(-50, 150, (1, 3, 8, 9))
    image[0, 0, 0, 0], image[0, 2, 1, 1] = -50, 150
    colour_net.blobs["x"].data[...] = image
    picture = shown(colour_net.show("activations", "x"))
    np.testing.assert_allclose(picture, ((image + 50) / 200)[0, ::-1].transpose(1, 2, 0), atol=1e-6)


def test_the_gradient_of_a_blob_and_of_the_weights_beside(run):
    run.clear_param_diffs()
    run.blobs["c2"].diff[...] = np.random.default_rng(4).normal(size=run.blobs["c2"].shape)
    run.backward_from_to(3, 0)
    figure = run.show("gradients", "c2")
    np.testing.assert_allclose(shown(figure)[:3, :2], run.blobs["c2"].diff[0, 0])
    np.testing.assert_allclose(shown(figure, 1)[:2, 3:5], run.params["c2"][0].diff[0, 1])
    np.testing.assert_allclose(shown(run.show("gradients", "x")), run.blobs["x"].diff[0, 0])
    low, high = figure.axes[0].images[0].get_clim()
    assert -low == high == pytest.approx(np.abs(run.blobs["c2"].diff[0]).max())


def test_gradients_that_nobody_computed_are_said_to_be_zero(run):
    assert note(run.show("gradients", "c2")).endswith("all are 0: was a backward pass run?")


@pytest.mark.parametrize("name", ["x", "c1", "ip"])
def test_a_picture_keeps_its_values_when_the_net_runs_on(run, name):
    figure = run.show("activations", name)
    before = figure._repr_png_()
    run.forward(x=np.ones((2, 1, 6, 5)))
    assert figure._repr_png_() == before
    assert run.show("activations", name)._repr_png_() != before


def test_a_blob_that_was_looked_at_stays_filled(run):
    run.show("activations", "c2")
    assert run._blob_list[run.blob_names.index("c2")].pinned


def test_many_channels_and_a_scalar(make_net):
    net = make_net(
        'layer { name: "x" type: "DummyData" top: "x" dummy_data_param { shape { dim: 1 dim: 200 dim: 3 dim: 2 } } }\n'
        'layer { name: "sum" type: "Reduction" bottom: "x" top: "sum" }\n'
    )
    net.forward()
    assert heading(net.show("activations", "x")) == "x: the first 144 of 200 channels of 3x2"
    assert heading(net.show("activations", "sum")) == "sum: 1 value"


def test_what_cannot_be_shown_is_refused(run):
    with pytest.raises(UsageError, match='sample is 2, and blob "c1" has 2; use 0 to 1'):
        run.show("activations", "c1", sample=2)
    with pytest.raises(UsageError, match='layer "slice" has 2 tops; name a blob: s1 or s2'):
        run.show("activations", "slice")
    with pytest.raises(UnknownNameError, match='no layer and no blob "prop"; did you mean "prob"'):
        run.show("activations", "prop")
