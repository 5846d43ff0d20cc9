import numpy as np
import pytest
from google.protobuf import text_format

from caffelite.core.errors import LayerError
from caffelite.core.layer import Context, Layer
from caffelite.core.layers.shared.transforming import draws_key, transformer_of
from caffelite.proto.caffe_pb2 import TEST, TRAIN, BlobProto, LayerParameter


def layer_with(text="", phase=TEST, name="data", **context):
    param = LayerParameter(name=name, phase=phase)
    text_format.Parse(text, param.transform_param)
    return Layer(param, Context(**context))


def transformer(text="", phase=TEST, **context):
    return transformer_of(layer_with(text, phase, **context))


def ramp(channels, height, width):
    return np.arange(channels * height * width, dtype=np.uint8).reshape(channels, height, width)


def transformed(made, image, record=0):
    out = np.full(made.shape_of(image.shape), np.nan, made._dtype)
    made.transform(image, record, out)
    return out


def mean_file(path, values, shape=None, legacy=True):
    proto = BlobProto(data=np.ravel(values))
    shape = shape or (1, *np.shape(values))
    if legacy:
        proto.num, proto.channels, proto.height, proto.width = shape
    else:
        proto.shape.dim.extend(shape)
    path.write_bytes(proto.SerializeToString())
    return path


def test_mean_file(tmp_path):
    path = mean_file(tmp_path / "mean", ramp(3, 4, 5))
    assert not transformed(transformer(f'mean_file: "{path}"'), ramp(3, 4, 5)).any()


def test_mean_scale_mirror(tmp_path):
    path = mean_file(tmp_path / "mean", [[[1, 2, 3], [4, 5, 6]]])
    image = np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8)
    made = transformer(f'mean_file: "{path}" scale: 0.5 mirror: true')
    results = {tuple(transformed(made, image, record).ravel()) for record in range(20)}
    assert results == {(4.5, 9, 13.5, 18, 22.5, 27), (13.5, 9, 4.5, 27, 22.5, 18)}


def test_the_mean_moves_with_the_crop(tmp_path):
    path = mean_file(tmp_path / "mean", (np.arange(25) ** 2).reshape(1, 5, 5))
    made = transformer(f'mean_file: "{path}" crop_size: 3')
    assert transformed(made, ramp(1, 5, 5)).ravel().tolist() == [-30, -42, -56, -110, -132, -156, -240, -272, -306]


def test_only_the_first_image_of_a_mean_file_counts(tmp_path):
    path = mean_file(tmp_path / "mean", [ramp(1, 2, 2), 9 + ramp(1, 2, 2)], (2, 1, 2, 2))
    assert not transformed(transformer(f'mean_file: "{path}"'), ramp(1, 2, 2)).any()


def test_a_mean_file_beside_the_prototxt(tmp_path):
    mean_file(tmp_path / "some_mean", ramp(1, 2, 2))
    assert not transformed(transformer('mean_file: "some_mean"', folder=tmp_path), ramp(1, 2, 2)).any()


def test_many_images_at_once_are_what_they_are_alone(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 6, 7), dtype=np.uint8)
    path = mean_file(tmp_path / "mean", images[0])
    for text in ("", "scale: 0.1", "crop_size: 3 mean_value: 7", f'mean_file: "{path}" crop_size: 4 scale: 2'):
        made = transformer(text)
        assert not made.is_random
        together = np.empty((4, *made.shape_of((3, 6, 7))), np.float32)
        made.transform(images, 0, together)
        np.testing.assert_array_equal(together, [transformed(made, image) for image in images])


def test_refuses_a_mean_of_another_size(tmp_path):
    path = mean_file(tmp_path / "mean", ramp(3, 4, 5))
    with pytest.raises(LayerError, match=r"mean_file is an image of 3 4 5 \(60\); the images are 3 4 6 \(72\) before"):
        transformed(transformer(f'mean_file: "{path}" crop_size: 4'), ramp(3, 4, 6))


def test_refuses_a_mean_of_three_axes(tmp_path):
    path = mean_file(tmp_path / "mean", ramp(3, 4, 5), (3, 4, 5), legacy=False)
    with pytest.raises(LayerError, match=r"mean_file is an image of 4 5 1 \(20\)"):
        transformed(transformer(f'mean_file: "{path}"'), ramp(3, 4, 5))


def test_refuses_both_kinds_of_mean(tmp_path):
    path = mean_file(tmp_path / "mean", ramp(3, 4, 5))
    with pytest.raises(LayerError, match="Cannot specify mean_file and mean_value at the same time"):
        transformer(f'mean_file: "{path}" mean_value: 3')


@pytest.mark.parametrize(("name", "words"), [("", "the name is empty"), ("nowhere", "there is no such file .*")])
def test_refuses_a_missing_mean_file(name, words, tmp_path):
    with pytest.raises(LayerError, match=rf'mean_file is "{name}"; {words}; .*what compute_image_mean writes'):
        transformer(f'mean_file: "{name}"', folder=tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xff", BlobProto(num=1, channels=9).SerializeToString() + b"\x2d\0\0\0\0"])
def test_refuses_what_is_no_mean_file(tmp_path, content):
    (tmp_path / "mean").write_bytes(content)
    with pytest.raises(LayerError, match="it is not a mean file"):
        transformer('mean_file: "mean"', folder=tmp_path)


def test_refuses_an_empty_mean_file(tmp_path):
    (tmp_path / "mean").write_bytes(b"")
    with pytest.raises(LayerError, match=r"mean_file is .*mean"):
        transformer('mean_file: "mean"', folder=tmp_path)


@pytest.mark.parametrize(("field", "value"), [("scale", "nan"), ("mean_value", "inf"), ("mean_value", "-inf")])
def test_refuses_numbers_that_would_make_every_image_useless(field, value):
    with pytest.raises(LayerError, match=f"transform_param.{field} is {value}; images would become nan"):
        transformer(f"{field}: {value}")


def test_refuses_a_mean_file_with_nan(tmp_path):
    path = mean_file(tmp_path / "mean", np.full((3, 4, 5), np.nan))
    with pytest.raises(LayerError, match="it holds values that are nan or infinite; compute the mean again"):
        transformer(f'mean_file: "{path}"')


def test_draws_follow_the_seed_of_the_net_which_a_resumed_run_changes():
    layer = layer_with("crop_size: 2", TRAIN, seed=1)
    made, other = transformer_of(layer), transformer("crop_size: 2", TRAIN, seed=2)

    def draws(of):
        return [transformed(of, ramp(3, 4, 5), record).tolist() for record in range(20)]

    assert draws(made) != draws(other)
    layer.context.seed = 2
    made.key = draws_key(layer)
    assert draws(made) == draws(other)
