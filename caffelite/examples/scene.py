"""A picture to try filters on, drawn here: a house by a lake, with edges in all directions, texture and a number."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array

FINER = 3  # drawn so many times as large, then averaged, so that edges are as soft as in a photo
HEIGHT, WIDTH = 160, 200
NUMBER = (1, 0, 7)  # on the wall, of the handwritten digits


def scene() -> Array:
    """Return the picture, (160, 200, 3) uint8: red, green, blue. It is the same each time."""
    picture = np.empty((FINER * HEIGHT, FINER * WIDTH, 3))
    y, x = np.mgrid[: len(picture), : picture.shape[1]] / FINER
    _land(picture, y, x)
    _house(picture, y, x)
    _trees(picture, y, x)
    grain = np.random.default_rng(13).normal(0, 3, picture.shape)  # as that of a camera
    fine = (picture + grain).reshape(HEIGHT, FINER, WIDTH, FINER, 3)
    drawn: Array = fine.mean((1, 3)).clip(0, 255).round().astype(np.uint8)
    return drawn


def grey(size: int | None = None) -> Array:
    """Return the picture in grey, (160, 200) float32 from 0 to 1, or its part of size x size around the house."""
    values: Array = (scene() @ np.array([0.299, 0.587, 0.114]) / 255).astype(np.float32)
    if size is None:
        return values
    top, left = 110 - size // 2, 92 - size // 2
    return values[top : top + size, left : left + size]


def _land(picture: Array, y: Array, x: Array) -> None:
    """Draw the sky, the sun, two rows of hills, the lake and the meadow."""
    picture[...] = _mixed((95, 150, 225), (225, 230, 235), (y / 80).clip(0, 1))
    sun = np.hypot(y - 28, x - 160)
    picture[...] = _mixed((255, 240, 190), picture, ((sun - 13) / 6).clip(0, 1))
    _paint(picture, y > 66 + 12 * np.sin(x / 23) + 5 * np.sin(x / 7.3), (96, 112, 140))
    hills = y > 78 + 9 * np.sin(x / 31 + 2)
    _paint(picture, hills, (70, 105, 70) + _texture(14, 6)[..., np.newaxis])
    waves = 14 * np.sin(y * 1.1 + 1.5 * np.sin(x / 9))
    _paint(picture, y > 98, np.array((72, 118, 160)) + waves[..., np.newaxis])
    shore = y > 122 + 3 * np.sin(x / 17)
    _paint(picture, shore, (98, 142, 62) + _texture(22, 2)[..., np.newaxis] * np.array((1, 1, 0.5)))


def _house(picture: Array, y: Array, x: Array) -> None:
    """Draw a house with a roof, windows, a door, bricks and its number, and a fence."""
    _paint(picture, _box(y, x, 84, 60, 136, 124), (206, 178, 140))
    mortar = _box(y, x, 118, 60, 136, 124) & (((y % 4) < 0.7) | (((x + 3 * (y // 4)) % 8) < 0.7))
    _paint(picture, mortar, (150, 120, 95))
    roof = (abs(x - 92) < 40 * (y - 58) / 26) & (y < 84)
    _paint(picture, roof, np.array((165, 62, 48)) + (18 * np.sin(y * 1.7))[..., np.newaxis])
    _paint(picture, _box(y, x, 58, 106, 74, 112), (120, 80, 70))
    for left in (66, 104):
        _paint(picture, _box(y, x, 92, left, 110, left + 14), (245, 245, 240))
        for row in (94, 102):
            for column in (left + 2, left + 8):
                _paint(picture, _box(y, x, row, column, row + 6, column + 4), (52, 74, 104))
    _paint(picture, _box(y, x, 104, 85, 136, 99), (60, 84, 74))
    _paint(picture, np.hypot(y - 121, x - 96) < 1.2, (235, 200, 90))
    _number(picture, 86, 81)
    rails = _box(y, x, 133, 126, 135, 200) | _box(y, x, 143, 126, 145, 200)
    _paint(picture, rails | (_box(y, x, 129, 126, 150, 200) & (x % 6 < 2.6)), (240, 236, 225))


def _number(picture: Array, top: int, left: int) -> None:
    """Write the number of the house, three handwritten digits of 8x8, dark on the wall."""
    from caffelite.datasets import digits

    images, labels = digits.load()
    for place, digit in enumerate(NUMBER):
        ink = np.kron(images[int(np.argmax(labels == digit))] / 16.0, np.ones((2 * FINER, FINER)))
        start = FINER * (left + 8 * place)
        region = picture[FINER * top : FINER * top + len(ink), start : start + ink.shape[1]]
        region[...] = _mixed(region, (40, 36, 34), ink)


def _trees(picture: Array, y: Array, x: Array) -> None:
    """Draw a birch with a round crown and a fir of three triangles."""
    _paint(picture, _box(y, x, 92, 26, 140, 31), np.array((222, 220, 212)) - (90 * (y % 7 < 1.2))[..., np.newaxis])
    crown = np.hypot((y - 76) / 1.25, x - 28) < 20 + 2.5 * np.sin(6 * np.arctan2(y - 76, x - 28))
    _paint(picture, crown, (58, 104, 44) + _texture(34, 3)[..., np.newaxis])
    _paint(picture, _box(y, x, 112, 148, 126, 153), (92, 66, 44))
    for top in (62, 76, 92):
        _paint(picture, (y > top) & (y < top + 24) & (abs(x - 150.5) < (y - top) * 0.7), (28, 74, 58))


def _paint(picture: Array, where: Array, colour: Array | tuple[float, ...]) -> None:
    """Give the pixels at `where` their colour: one, or those of an array of the picture's shape."""
    picture[where] = np.broadcast_to(np.asarray(colour), picture.shape)[where]


def _mixed(first: Array | tuple[float, ...], second: Array | tuple[float, ...], share: Array) -> Array:
    """Return the colours between `first` (share 0) and `second` (share 1)."""
    part = share[..., np.newaxis]
    mixed: Array = np.asarray(first) * (1 - part) + np.asarray(second) * part
    return mixed


def _box(y: Array, x: Array, top: float, left: float, bottom: float, right: float) -> Array:
    inside: Array = (y >= top) & (y < bottom) & (x >= left) & (x < right)
    return inside


def _texture(strength: float, size: int) -> Array:
    """Return noise of the finer picture's size, in spots of `size` pixels."""
    cell = FINER * size
    rows, columns = -(-FINER * HEIGHT // cell), -(-FINER * WIDTH // cell)
    spots = np.random.default_rng(size).normal(0, strength, (rows, columns))
    return np.kron(spots, np.ones((cell, cell)))[: FINER * HEIGHT, : FINER * WIDTH]
