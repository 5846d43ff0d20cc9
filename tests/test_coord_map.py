import numpy as np
import pytest

import caffelite
from caffelite import NetSpec
from caffelite import layers as L
from caffelite import params as P
from caffelite.coord_map import (
    PASS_THROUGH_LAYERS,
    AxisMismatchException,
    UndefinedMapException,
    UnmappedError,
    compose,
    conv_params,
    coord_map,
    coord_map_from_to,
    crop,
    crop_params,
    inverse,
)


def spec(ks=3, stride=1, pad=0, pool=2, dstride=2, dpad=0, **conv):
    """Return a net of a convolution, a pooling and a deconvolution that enlarges to the same scale."""
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[2, 1, 100, 100]))
    n.aux = L.Input(shape=dict(dim=[2, 1, 20, 20]))
    n.conv = L.Convolution(n.data, num_output=10, kernel_size=ks, stride=stride, pad=pad, **conv)
    n.pool = L.Pooling(n.conv, pool=P.Pooling.MAX, kernel_size=pool, stride=pool, pad=0)
    n.deconv = L.Deconvolution(
        n.pool,
        convolution_param=dict(num_output=10, kernel_size=2 * dstride, stride=dstride, pad=dpad),
    )
    return n


def as_lists(found):
    axis, scale, shift = found
    return axis, np.ravel(scale).tolist(), np.ravel(shift).tolist()


def test_golden_maps():
    n = spec()
    assert as_lists(coord_map_from_to(n.deconv, n.data)) == (1, [1], [0])
    assert as_lists(coord_map_from_to(n.conv, n.data)) == (1, [1], [1])
    assert as_lists(coord_map_from_to(n.data, n.conv)) == (1, [1], [-1])
    assert as_lists(coord_map_from_to(n.pool, n.data)) == (1, [2], [1.5])
    n = spec(pool=4, dstride=4)
    assert as_lists(coord_map_from_to(n.deconv, n.data)) == (1, [1], [-1])
    assert crop(n.deconv, n.data).fn.params == {"crop_param": {"axis": 2, "offset": [1]}}


def test_rectangles_are_their_parts():
    n3, n5 = spec(3, 1, 0), spec(5, 2, 10)
    both = spec([3, 5], [1, 2], [0, 10])
    found = [coord_map_from_to(n.deconv, n.data) for n in (n3, n5, both)]
    assert as_lists(found[2]) == (1, [1, 2], [0, -10])
    assert as_lists(found[2])[1:] == tuple(as_lists(found[0])[i] + as_lists(found[1])[i] for i in (1, 2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(ks=2), r"cannot crop noninteger offset \(b = \[-0\.5\]\)"),
        (dict(pool=3), r"scale mismatch on crop \(a = \[1\.5\]\)"),
        (dict(dpad=10), r"cannot crop negative offset \(b = \[10\.\]\)"),
    ],
)
def test_crops_that_cannot_be(options, message):
    n = spec(**options)
    with pytest.raises(AssertionError, match=message) as caught:
        crop(n.deconv, n.data)
    assert isinstance(caught.value, UnmappedError)


def test_dilation_counts():
    n = spec(dilation=2)
    assert as_lists(coord_map_from_to(n.conv, n.data)) == (1, [1], [2])


def test_compositions():
    assert compose((1, 2, 3), (1, 4, 5)) == (1, 8, 13)
    assert compose((None, 2, 3), (1, 4, 5)) == compose((1, 2, 3), (None, 4, 5)) == (1, 8, 13)
    assert compose((None, 2, 3), (None, 4, 5)) == (None, 8, 13)
    assert inverse((1, 2.0, 3.0)) == (1, 0.5, -1.5)
    with pytest.raises(AxisMismatchException, match="one map begins at axis 1, the other at axis 2"):
        compose((1, 2, 3), (2, 4, 5))


@pytest.mark.parametrize("type_name", PASS_THROUGH_LAYERS)
def test_layers_that_coordinates_pass_through(type_name):
    n = spec()
    n.after = getattr(L, type_name)(n.conv)
    n.one = L.Convolution(n.after, kernel_size=1)
    wanted = as_lists(coord_map_from_to(n.deconv, n.data))
    deconv = L.Deconvolution(L.Pooling(n.one, kernel_size=2, stride=2), kernel_size=4, stride=2)
    assert as_lists(coord_map_from_to(deconv, n.data)) == wanted
    assert coord_map(n.after.fn) == (None, 1, 0)


def test_only_layers_that_coordinates_pass_through_between():
    n = spec()
    n.relu = L.ReLU(L.Dropout(n.data))
    assert coord_map_from_to(n.relu, n.data) == (None, 1, 0)
    assert crop(n.relu, n.data).fn.params == {"crop_param": {"axis": 2, "offset": [0]}}
    assert coord_map_from_to(n.data, n.data) == (None, 1, 0)


def test_padding():
    plain, conv, deconv, both = spec(), spec(pad=4), spec(dpad=4), spec(pad=4, dpad=4)
    shifts = [as_lists(coord_map_from_to(n.deconv, n.data))[2][0] for n in (plain, conv, deconv, both)]
    assert shifts == [0, -4, 4, 0]


def test_several_bottoms_and_tops():
    n = spec()
    n.top1, n.top2 = L.Convolution(n.data, n.aux, num_output=10, kernel_size=3, ntop=2)
    wanted = as_lists(coord_map_from_to(n.conv, n.data))
    assert as_lists(coord_map_from_to(n.top1, n.data)) == as_lists(coord_map_from_to(n.top2, n.data)) == wanted
    assert as_lists(coord_map_from_to(n.top1, n.aux)) == wanted


def test_three_axes():
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[2, 3, 20, 20, 20]))
    n.conv = L.Convolution(n.data, num_output=10, kernel_size=[3, 3, 3], stride=[1, 1, 1], pad=[0, 1, 2])
    n.pool = L.Pooling(n.conv, kernel_size=2, stride=2)
    n.deconv = L.Deconvolution(n.pool, convolution_param=dict(num_output=10, kernel_size=4, stride=2, pad=0))
    axis, scale, shift = coord_map_from_to(n.deconv, n.data)
    assert (axis, scale.tolist()) == (1, [1, 1, 1])
    assert np.diff(shift).tolist() == [-1, -1]


def test_a_crop_moves_by_its_offset_and_follows_its_first_bottom():
    n = spec()
    before = as_lists(coord_map_from_to(n.deconv, n.data))
    n.crop = L.Crop(n.deconv, n.aux, axis=2, offset=2)
    axis, scale, shift = coord_map_from_to(n.crop, n.data)
    assert (axis, scale, shift - before[2]) == (1, 1, 2)
    with pytest.raises(RuntimeError):
        coord_map_from_to(n.crop, n.aux)
    assert coord_map(L.Crop(n.deconv, n.data, crop_param=dict(axis=3, offset=[4, 5])).fn)[0] == 2


def test_tops_that_nothing_connects():
    n = spec()
    n.ip = L.InnerProduct(n.deconv, num_output=10)
    with pytest.raises(RuntimeError, match="^Could not compute map between tops; are they connected by spatial layers"):
        coord_map_from_to(n.ip, n.data)
    for fn in (n.ip.fn, n.data.fn):
        with pytest.raises(UndefinedMapException, match=f"coordinates do not pass through {fn.type_name}"):
            coord_map(fn)


def test_global_pooling_has_no_map():
    n = spec()
    for top in (
        L.Pooling(n.conv, global_pooling=True),
        L.Pooling(n.conv, pooling_param=dict(global_pooling=True, pool=P.Pooling.AVE)),
    ):
        with pytest.raises(UndefinedMapException, match="coordinates do not pass through global Pooling"):
            coord_map(top.fn)


def test_where_parameters_are_read():
    top = L.Pooling(L.Input(), pooling_param=dict(kernel_size=3, stride=2, pad=1))
    axis, stride, kernel, pad = conv_params(top.fn)
    assert (axis, stride.tolist(), kernel.tolist(), pad.tolist()) == (1, [2], [3], [1])
    axis, stride, kernel, pad = conv_params(L.Convolution(kernel_size=(3, 5), dilation=2, axis=2).fn)
    assert (axis, stride.tolist(), kernel.tolist(), pad.tolist()) == (2, [1], [5, 9], [0])
    axis, offset = crop_params(L.Crop().fn)
    assert (axis, offset.tolist()) == (2, [0])


@pytest.mark.parametrize("name", ["pad_h", "pad_w", "kernel_h", "kernel_w", "stride_h", "stride_w"])
def test_height_and_width_apart_are_refused(name):
    for top in (L.Convolution(**{name: 3}), L.Pooling(pooling_param={name: 3})):
        with pytest.raises(AssertionError, match=f"{name} cannot be mapped; write kernel_size, stride and pad"):
            conv_params(top.fn)


def test_a_kernel_of_no_size():
    with pytest.raises(KeyError, match="kernel_size"):
        conv_params(L.Convolution(L.Input(), num_output=3).fn)


def test_scales_that_only_rounding_parts_from_1():
    data = L.Input()
    small = L.Pooling(data, kernel_size=49, stride=49)
    large = L.Deconvolution(small, kernel_size=49, stride=49)
    assert crop(large, data).fn.params["crop_param"]["offset"] == [0]


def test_a_diamond_of_many_layers():
    """Each top is visited once, however many ways lead to it."""
    data = top = L.Input()
    for _ in range(100):
        top = L.Eltwise(L.Convolution(top, kernel_size=3), L.Convolution(top, kernel_size=3))
    assert as_lists(coord_map_from_to(top, data)) == (1, [1], [100])


def test_the_crop_runs_in_a_net():
    n = spec()
    n.score = crop(n.deconv, n.conv)
    net = caffelite.Net(n.to_proto(), caffelite.TEST)
    assert net.blobs["score"].shape == net.blobs["conv"].shape
