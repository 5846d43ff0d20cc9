import numpy as np
import pytest

import caffelite
from caffelite import Classifier, NetSpec, io
from caffelite import layers as L

RNG = np.random.default_rng(2)
IMAGES = [RNG.random((6, 7, 3)), RNG.random((9, 8, 3)), RNG.random((5, 6, 3))]
SWAP, MEAN = (2, 1, 0), np.array([104.0, 117.0, 123.0])


def flat_net(channels=3, batch=4):
    """Return a net of which the output is what goes in, (N, C * 4 * 5)."""
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[batch, channels, 4, 5]))
    n.flat = L.Flatten(n.data)
    return n.to_proto()


def flat(**options):
    return Classifier(flat_net(), None, **options)


def prepared(crop):
    """What CaffeNet's settings make of a crop, (60) float32."""
    return ((crop.transpose(2, 0, 1)[list(SWAP)] * 255 - MEAN[:, None, None]) * 2).ravel()


SETTINGS = dict(mean=MEAN, input_scale=2, raw_scale=255.0, channel_swap=SWAP)


def test_it_is_a_net_with_its_settings():
    classifier = Classifier(flat_net(), None, (6, 8), **SETTINGS)
    assert isinstance(classifier, caffelite.Net) and list(classifier.forward()) == ["flat"]
    assert (classifier.crop_dims.tolist(), classifier.image_dims) == ([4, 5], (6, 8))
    transformer = classifier.transformer
    assert isinstance(transformer, io.Transformer) and transformer.inputs == {"data": (4, 3, 4, 5)}
    assert transformer.transpose == {"data": (2, 0, 1)}
    assert (transformer.channel_swap, transformer.raw_scale) == ({"data": SWAP}, {"data": 255.0})
    assert (transformer.input_scale, transformer.mean["data"].ravel().tolist()) == ({"data": 2}, MEAN.tolist())


def test_without_settings():
    for nothing in (None, (), []):
        classifier = flat(image_dims=nothing)
        assert (classifier.image_dims.tolist(), classifier.transformer.mean) == ([4, 5], {})


@pytest.mark.parametrize("image_dims", [(6, 8), [6, 8], np.array([6, 8])])
def test_the_centre(image_dims):
    predictions = flat(image_dims=image_dims, **SETTINGS).predict(IMAGES, oversample=False)
    assert (predictions.shape, predictions.dtype) == ((3, 60), np.float32)
    for image, prediction in zip(IMAGES, predictions, strict=True):
        np.testing.assert_allclose(prediction, prepared(io.resize_image(image, (6, 8))[1:5, 1:6]), rtol=1e-5, atol=1e-3)


def test_the_mean_over_ten_crops():
    predictions = flat(image_dims=(6, 8), **SETTINGS).predict(IMAGES)
    assert (predictions.shape, predictions.dtype) == ((3, 60), np.float32)
    for image, prediction in zip(IMAGES, predictions, strict=True):
        crops = io.oversample([io.resize_image(image, (6, 8))], (4, 5))
        wanted = np.mean([prepared(crop) for crop in crops], axis=0)
        np.testing.assert_allclose(prediction, wanted, rtol=1e-4, atol=1e-3)


def test_outputs_of_more_axes():
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 3, 4, 5]))
    n.same = L.Power(n.data)
    classifier = Classifier(n.to_proto(), None)
    assert classifier.predict(IMAGES, oversample=False).shape == (3, 3, 4, 5)
    assert classifier.predict(IMAGES).shape == (3, 60)


def test_weights_come_from_the_file(tmp_path):
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[2, 3, 4, 5]))
    n.ip = L.InnerProduct(n.data, num_output=2, weight_filler=dict(type="gaussian"))
    n.prob = L.Softmax(n.ip)
    (tmp_path / "net.prototxt").write_text(str(n.to_proto()))
    net = caffelite.Net(tmp_path / "net.prototxt", caffelite.TEST)
    net.save(tmp_path / "net.caffemodel")
    classifier = Classifier(str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel"))
    image = IMAGES[0][:4, :5]
    wanted = net.forward(data=np.stack([image.transpose(2, 0, 1)] * 2))["prob"][0]
    np.testing.assert_allclose(classifier.predict([image], oversample=False), [wanted], rtol=1e-5)


def test_shrinking_may_smooth():
    plain, smooth = (flat(anti_aliasing=on).predict(IMAGES[:1], oversample=False) for on in (False, True))
    wanted = io.resize_image(IMAGES[0], (4, 5), anti_aliasing=True).transpose(2, 0, 1).reshape(1, 60)
    np.testing.assert_array_equal(smooth, wanted)
    assert not np.array_equal(plain, smooth)


def test_a_mean_image_and_gray():
    mean = RNG.random((1, 4, 5))
    classifier = Classifier(flat_net(channels=1), None, mean=mean)
    image = RNG.random((4, 5, 1))
    np.testing.assert_allclose(classifier.predict([image], False)[0], (image[:, :, 0] - mean[0]).ravel(), atol=1e-6)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([IMAGES[0][:, :, :1]], r'image 0 has the shape \(6, 7, 1\); the input "data" needs \(H, W, 3\)'),
        ([IMAGES[0], IMAGES[0][:, :, 0]], r"image 1 has the shape \(6, 7\)"),
        (IMAGES[0], r"image 0 has the shape \(7, 3\); .*, and `inputs` is a list of images"),
        ([], "predict is given no image"),
    ],
)
@pytest.mark.parametrize("oversample", [True, False])
def test_images_that_do_not_fit(inputs, message, oversample):
    with pytest.raises(ValueError, match=message):
        flat(channel_swap=SWAP).predict(inputs, oversample)


@pytest.mark.parametrize("oversample", [True, False])
def test_image_dims_below_the_input(oversample):
    with pytest.raises(ValueError, match="image_dims is 3 x 8; of that no crop of 4 x 5 can be cut"):
        flat(image_dims=(3, 8)).predict(IMAGES, oversample)


def test_settings_that_do_not_fit():
    with pytest.raises(ValueError, match=r"image_dims is \(256,\); give \(height, width\)"):
        flat(image_dims=(256,))
    with pytest.raises(ValueError, match='channel_swap is .*; "data" needs'):
        Classifier(flat_net(channels=1), None, channel_swap=SWAP)
