"""Anatomy from ellipses: pictures that look like something in a preview.

All coordinates are in units of half the picture: the centre is (0, 0), the edges are at -1 and 1.
Every picture is a function of its arguments only, so the same call gives the same pixels.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.floating]


class Ellipse(NamedTuple):
    """A filled ellipse: centre, half axes, turn in degrees, and the value it paints."""

    x: float
    y: float
    rx: float
    ry: float
    turn: float
    value: float


@lru_cache(maxsize=32)
def grid(rows: int, columns: int) -> tuple[Picture, Picture]:
    """The x and y coordinate of each pixel, both of shape (rows, columns)."""
    y, x = np.meshgrid(
        np.linspace(-1, 1, rows, dtype=np.float32),
        np.linspace(-1, 1, columns, dtype=np.float32),
        indexing="ij",
    )
    return x, y


def paint(rows: int, columns: int, background: float, shapes: Sequence[Ellipse]) -> Picture:
    """Paint the ellipses over each other, the last one on top."""
    picture = np.full((rows, columns), background, dtype=np.float32)
    for shape in shapes:
        if shape.rx > 0 and shape.ry > 0:
            _fill(picture, shape)
    return picture


def _fill(picture: Picture, shape: Ellipse) -> None:
    """Paint one ellipse, looking only at the box around it."""
    x, y = grid(*picture.shape)
    c, s = math.cos(math.radians(shape.turn)), math.sin(math.radians(shape.turn))
    half_width = math.hypot(shape.rx * c, shape.ry * s)
    half_height = math.hypot(shape.rx * s, shape.ry * c)
    left, right = np.searchsorted(x[0], (shape.x - half_width, shape.x + half_width))
    top, bottom = np.searchsorted(y[:, 0], (shape.y - half_height, shape.y + half_height))
    box = np.s_[top:bottom, left:right]
    dx, dy = x[box] - np.float32(shape.x), y[box] - np.float32(shape.y)
    u = (dx * np.float32(c) + dy * np.float32(s)) / np.float32(shape.rx)
    v = (dy * np.float32(c) - dx * np.float32(s)) / np.float32(shape.ry)
    picture[box][u * u + v * v <= 1] = shape.value


def grain(picture: Picture, strength: float, seed: int) -> Picture:
    """Add a little noise, as every detector does; the same for the same seed."""
    noise = np.random.default_rng(seed).standard_normal(picture.shape, dtype=np.float32)
    return picture + noise * np.float32(strength)


def smooth(picture: Picture, times: int = 1) -> Picture:
    """Blur with a small cross-shaped kernel."""
    for _ in range(times):
        padded = np.pad(picture, 1, mode="edge")
        picture = (
            4 * padded[1:-1, 1:-1]
            + padded[:-2, 1:-1]
            + padded[2:, 1:-1]
            + padded[1:-1, :-2]
            + padded[1:-1, 2:]
        ) / np.float32(8)
    return picture
