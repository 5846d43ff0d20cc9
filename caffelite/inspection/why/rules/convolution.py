"""Convolution, Deconvolution and Im2col: sums over the taps of windows."""

from __future__ import annotations

from math import prod

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.layers.convolution import ConvolutionLayer
from caffelite.core.layers.deconvolution import DeconvolutionLayer
from caffelite.core.layers.im2col import Im2colLayer
from caffelite.core.layers.shared.base_convolution import BaseConvolutionLayer
from caffelite.core.layers.shared.window import Window
from caffelite.inspection.why.terms import (
    At,
    Terms,
    channel_places,
    gradient_of,
    param_gradient_of,
    parameter,
    read,
    sent,
    sent_times,
    value_of,
    weighted,
)


@value_of(ConvolutionLayer)
def _convolution(at: At, top: int, place: int) -> list[Terms]:
    images, weights = pixels_of_output(at.layer, place)
    return [weighted(at, read(at, top, images), 0, weights), *_bias(at, at.layer.output_shape, place)]


@gradient_of(ConvolutionLayer)
def _convolution_back(at: At, bottom: int, place: int) -> list[Terms]:
    outputs, weights = outputs_of_pixel(at.layer, place)
    return [weighted(at, sent(at, bottom, outputs), 0, weights)]


@value_of(DeconvolutionLayer)
def _deconvolution(at: At, top: int, place: int) -> list[Terms]:
    outputs, weights = outputs_of_pixel(at.layer, place)
    return [weighted(at, read(at, top, outputs), 0, weights), *_bias(at, at.layer.image_shape, place)]


@gradient_of(DeconvolutionLayer)
def _deconvolution_back(at: At, bottom: int, place: int) -> list[Terms]:
    images, weights = pixels_of_output(at.layer, place)
    return [weighted(at, sent(at, bottom, images), 0, weights)]


def _bias(at: At, shape: tuple[int, ...], place: int) -> list[Terms]:
    if not at.layer.bias_term:
        return []
    channel = place // prod(shape[1:]) % shape[0]
    return [parameter(at, 1, channel, "bias")]


def pixels_of_output(layer: BaseConvolutionLayer, place: int) -> tuple[Array, Array]:
    """Return which pixels of the images one output reads, and the weight of each, as flat indices."""
    item, output, at = _split(place, layer.output_shape)
    group_in, group_out = layer.conv_in_channels // layer.group, layer.conv_out_channels // layer.group
    spatial = layer.image_shape[1:]
    taps, pixels = _taps_inside(layer.window, at, spatial)
    channels = np.arange(group_in)[:, None]
    first = item * layer.conv_in_channels + output // group_out * group_in
    images: Array = (first + channels) * prod(spatial) + pixels
    weights: Array = (output * group_in + channels) * prod(layer.window.kernel) + taps
    return images.reshape(-1), weights.reshape(-1)


def outputs_of_pixel(layer: BaseConvolutionLayer, place: int) -> tuple[Array, Array]:
    """Return which outputs read one pixel of the images, and the weight of each, as flat indices."""
    item, channel, at = _split(place, layer.image_shape)
    group_in, group_out = layer.conv_in_channels // layer.group, layer.conv_out_channels // layer.group
    group, in_group = divmod(channel, group_in)
    spatial = layer.output_shape[1:]
    taps, windows = _windows_on(layer.window, at, spatial)
    channels = group * group_out + np.arange(group_out)[:, None]
    outputs = (item * layer.conv_out_channels + channels) * prod(spatial) + windows
    weights = (channels * group_in + in_group) * prod(layer.window.kernel) + taps
    return outputs.reshape(-1), weights.reshape(-1)


@param_gradient_of(ConvolutionLayer)
def _convolution_param(at: At, number: int, place: int) -> list[Terms]:
    if number == 1:
        return _bias_back(at, at.layer.output_shape, place)
    images, outputs = pairs_of_weight(at.layer, place)
    return [sent_times(at, which, outputs, which, images) for which in range(at.num_bottoms())]


@param_gradient_of(DeconvolutionLayer)
def _deconvolution_param(at: At, number: int, place: int) -> list[Terms]:
    if number == 1:
        return _bias_back(at, at.layer.image_shape, place)
    images, outputs = pairs_of_weight(at.layer, place)
    return [sent_times(at, which, images, which, outputs) for which in range(at.num_bottoms())]


def _bias_back(at: At, shape: tuple[int, ...], channel: int) -> list[Terms]:
    """Return the gradients of a channel of all tops, whose items have this shape."""
    places = channel_places((at.layer.num, shape[0], prod(shape[1:])), channel)
    return [sent(at, top, places) for top in range(at.num_tops())]


def pairs_of_weight(layer: BaseConvolutionLayer, place: int) -> tuple[Array, Array]:
    """Return the pixels of the images that a weight is multiplied by, and the output that each adds to."""
    rest, tap = divmod(place, prod(layer.window.kernel))
    group_in, group_out = layer.conv_in_channels // layer.group, layer.conv_out_channels // layer.group
    output, in_group = divmod(rest, group_in)
    channel = output // group_out * group_in + in_group
    spatial, windows = layer.image_shape[1:], layer.output_shape[1:]
    stride, pad, dilation = (np.array(each, np.int64)[:, None] for each in layer.window[1:])
    at = np.array(list(np.ndindex(*windows)), np.int64).reshape(-1, len(windows)).T
    position = at * stride - pad + dilation * _grid(layer.window)[:, tap : tap + 1]
    inside = ((position >= 0) & (position < np.array(spatial, np.int64)[:, None])).all(axis=0)
    items = np.arange(layer.num)[:, None]
    images = (items * layer.conv_in_channels + channel) * prod(spatial) + _ravel(position[:, inside], spatial)
    outputs = (items * layer.conv_out_channels + output) * prod(windows) + np.flatnonzero(inside)
    return images.reshape(-1), outputs.reshape(-1)


@value_of(Im2colLayer)
def _im2col(at: At, top: int, place: int) -> list[Terms]:
    item, row, window_at = _split(place, _columns_shape(at))
    channels, *spatial = at.bottom_shape(0)[-len(at.layer.window.kernel) - 1 :]
    channel, tap = divmod(row, prod(at.layer.window.kernel))
    taps, pixels = _taps_inside(at.layer.window, window_at, tuple(spatial))
    return [read(at, 0, (item * channels + channel) * prod(spatial) + pixels[taps == tap])]


@gradient_of(Im2colLayer)
def _im2col_back(at: At, bottom: int, place: int) -> list[Terms]:
    shape = at.bottom_shape(0)[-len(at.layer.window.kernel) - 1 :]
    item, channel, pixel = _split(place, shape)
    rows, *spatial = _columns_shape(at)
    taps, windows = _windows_on(at.layer.window, pixel, tuple(spatial))
    row = item * rows + channel * prod(at.layer.window.kernel) + taps
    return [sent(at, 0, row * prod(spatial) + windows)]


def _columns_shape(at: At) -> tuple[int, ...]:
    return at.top_shape(0)[-len(at.layer.window.kernel) - 1 :]


def _split(place: int, shape: tuple[int, ...]) -> tuple[int, int, Array]:
    """Return item, channel and position of a flat index in a batch of (C, d_1, ..., d_S)."""
    rest, pixel = divmod(place, prod(shape[1:]))
    item, channel = divmod(rest, shape[0])
    return item, channel, np.array(np.unravel_index(pixel, shape[1:]) if len(shape) > 1 else (), np.int64)


def _grid(window: Window) -> Array:
    """Return the taps' positions in the kernel, (axes, taps)."""
    return np.asarray(np.array(list(np.ndindex(*window.kernel)), np.int64).reshape(-1, len(window.kernel)).T)


def _taps_inside(window: Window, at: Array, spatial: tuple[int, ...]) -> tuple[Array, Array]:
    """Return, of the window at a place, the taps that lie in the image, and the flat pixels under them."""
    stride, pad, dilation = (np.array(each, np.int64) for each in window[1:])
    position = (at * stride - pad)[:, None] + dilation[:, None] * _grid(window)
    inside = ((position >= 0) & (position < np.array(spatial, np.int64)[:, None])).all(axis=0)
    return np.flatnonzero(inside), _ravel(position[:, inside], spatial)


def _windows_on(window: Window, at: Array, spatial: tuple[int, ...]) -> tuple[Array, Array]:
    """Return, for each window that lies on a pixel, the tap that it has there, and the window's flat place."""
    stride, pad, dilation = (np.array(each, np.int64) for each in window[1:])
    steps, rest = np.divmod((at + pad)[:, None] - dilation[:, None] * _grid(window), stride[:, None])
    there = ((rest == 0) & (steps >= 0) & (steps < np.array(spatial, np.int64)[:, None])).all(axis=0)
    return np.flatnonzero(there), _ravel(steps[:, there], spatial)


def _ravel(position: Array, spatial: tuple[int, ...]) -> Array:
    if not spatial:
        return np.zeros(position.shape[1], np.int64)
    return np.asarray(np.ravel_multi_index(tuple(position), spatial), np.int64)
