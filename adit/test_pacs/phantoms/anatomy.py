"""Cross sections of a head, a chest and an abdomen; `z` runs from -1 (feet) to 1 (head)."""

import math
from collections.abc import Mapping

import numpy as np

from .shapes import Ellipse, Picture, grain, paint, smooth

CT_HEAD = {
    "air": -1000,
    "scalp": 20,
    "bone": 1100,
    "white": 32,
    "grey": 42,
    "fluid": 4,
    "lesion": 70,
}
MR_T1 = {"air": 8, "scalp": 900, "bone": 40, "white": 640, "grey": 460, "fluid": 130, "lesion": 300}
MR_T2 = {
    "air": 8,
    "scalp": 620,
    "bone": 40,
    "white": 330,
    "grey": 480,
    "fluid": 1000,
    "lesion": 820,
}


def head(rows: int, columns: int, z: float, tissue: Mapping[str, float], seed: int) -> Picture:
    """A slice of a head in the manner of the Shepp-Logan phantom."""
    f = math.sqrt(max(0.05, 1 - (0.85 * z) ** 2))
    g = math.sqrt(max(0.0, 1 - (1.5 * z) ** 2))
    shapes = [
        Ellipse(0, 0, 0.72 * f, 0.90 * f, 0, tissue["scalp"]),
        Ellipse(0, 0, 0.67 * f, 0.85 * f, 0, tissue["bone"]),
        Ellipse(0, 0, 0.61 * f, 0.79 * f, 0, tissue["fluid"]),
        Ellipse(0, 0, 0.59 * f, 0.77 * f, 0, tissue["grey"]),
        Ellipse(-0.27 * f, 0, 0.22 * f, 0.60 * f, 0, tissue["white"]),
        Ellipse(0.27 * f, 0, 0.22 * f, 0.60 * f, 0, tissue["white"]),
        Ellipse(0, 0, 0.012, 0.72 * f, 0, tissue["fluid"]),
        Ellipse(-0.13, -0.12, 0.07 * g, 0.27 * g, 16, tissue["fluid"]),
        Ellipse(0.13, -0.12, 0.07 * g, 0.27 * g, -16, tissue["fluid"]),
        Ellipse(0, 0.22, 0.03 * g, 0.10 * g, 0, tissue["fluid"]),
        Ellipse(0.33, 0.28, 0.13 * g, 0.10 * g, 30, tissue["lesion"]),
    ]
    if z < -0.4:
        shapes += [
            Ellipse(-0.22, -0.60 * f, 0.13, 0.13, 0, tissue["fluid"]),
            Ellipse(0.22, -0.60 * f, 0.13, 0.13, 0, tissue["fluid"]),
            Ellipse(0, -0.55 * f, 0.06, 0.12, 0, tissue["air"]),
        ]
    return grain(smooth(paint(rows, columns, tissue["air"], shapes)), 6, seed)


def chest(rows: int, columns: int, z: float, seed: int) -> Picture:
    """A CT slice of a chest in Hounsfield units: lungs, heart, aorta, spine, ribs, a nodule."""
    f = 0.9 + 0.1 * math.cos(2 * z)
    lung = math.sqrt(max(0.08, 1 - (0.9 * z) ** 2))
    heart = math.sqrt(max(0.0, 1 - ((z + 0.35) / 0.6) ** 2))
    nodule = math.sqrt(max(0.0, 1 - ((z - 0.15) / 0.2) ** 2))
    shapes = [
        Ellipse(0, 0, 0.94 * f, 0.68 * f, 0, -95),
        Ellipse(0, 0, 0.88 * f, 0.61 * f, 0, 45),
    ]
    for k in range(12):
        angle = math.tau * (k + 0.35 * z) / 12
        cx, cy = 0.81 * f * math.cos(angle), 0.54 * f * math.sin(angle)
        shapes.append(Ellipse(cx, cy, 0.075, 0.024, math.degrees(angle) + 90, 480))
    shapes += [
        Ellipse(-0.42, -0.02, 0.33 * lung, 0.45 * lung, 5, -860),
        Ellipse(0.42, -0.02, 0.33 * lung, 0.45 * lung, -5, -860),
        Ellipse(0.10, -0.14, 0.33 * heart, 0.26 * heart, 25, 130),
        Ellipse(0.14, -0.12, 0.17 * heart, 0.13 * heart, 25, 260),
        Ellipse(0.10, 0.24, 0.065, 0.065, 0, 280),
        Ellipse(0, 0.03, 0.05, 0.045, 0, -980 if z > 0.2 else 45),
        Ellipse(0, 0.43, 0.12, 0.11, 0, 320),
        Ellipse(0, 0.54, 0.045, 0.045, 0, 25),
        Ellipse(-0.50, 0.12, 0.055 * nodule, 0.05 * nodule, 0, 60),
    ]
    return grain(smooth(paint(rows, columns, -1000, shapes)), 9, seed)


def abdomen(rows: int, columns: int, z: float, seed: int) -> Picture:
    """A CT slice of an abdomen in Hounsfield units: liver, spleen, kidneys, gut, spine."""
    liver = math.sqrt(max(0.0, 1 - ((z - 0.5) / 0.9) ** 2))
    kidney = math.sqrt(max(0.0, 1 - ((z + 0.2) / 0.55) ** 2))
    shapes = [
        Ellipse(0, 0, 0.88, 0.64, 0, -100),
        Ellipse(0, 0.01, 0.79, 0.54, 0, 40),
        Ellipse(0, -0.02, 0.74, 0.48, 0, -85),
        Ellipse(-0.38, -0.06, 0.36 * liver, 0.38 * liver, -12, 110),
        Ellipse(0.56, 0.06, 0.14 * liver, 0.26 * liver, 10, 125),
        Ellipse(0.22, -0.24, 0.22 * liver, 0.14 * liver, -20, 30),
        Ellipse(-0.36, 0.24, 0.13 * kidney, 0.16 * kidney, 20, 190),
        Ellipse(0.36, 0.24, 0.13 * kidney, 0.16 * kidney, -20, 190),
        Ellipse(-0.33, 0.24, 0.05 * kidney, 0.06 * kidney, 0, -20),
        Ellipse(0.33, 0.24, 0.05 * kidney, 0.06 * kidney, 0, -20),
        Ellipse(0, 0.36, 0.12, 0.11, 0, 300),
        Ellipse(0, 0.46, 0.04, 0.04, 0, 25),
        Ellipse(0.05, 0.20, 0.06, 0.06, 0, 240),
        Ellipse(-0.08, 0.20, 0.06, 0.05, 0, 170),
    ]
    if z < 0.2:
        for k in range(5):
            x = -0.4 + 0.2 * k + 0.05 * math.sin(9 * z + k)
            shapes.append(Ellipse(x, -0.22, 0.09, 0.08, 0, 35))
            shapes.append(Ellipse(x, -0.25, 0.05, 0.035, 0, -900))
    return grain(smooth(paint(rows, columns, -1000, shapes)), 9, seed)


def spine(rows: int, columns: int, z: float, seed: int) -> Picture:
    """A sagittal MR slice of a lumbar spine: vertebrae, discs, cord, skin."""
    width = math.sqrt(max(0.1, 1 - z * z))
    shapes = [Ellipse(0.0, 0, 0.80, 1.6, 0, 260), Ellipse(-0.05, 0, 0.68, 1.55, 0, 170)]
    shapes.append(Ellipse(0.26, 0, 0.10 * width, 1.2, 0, 900))
    shapes.append(Ellipse(0.25, 0, 0.045 * width, 1.2, 0, 430))
    for k in range(-3, 4):
        y, x = 0.30 * k, 0.06 * math.cos(0.5 * k)
        shapes.append(Ellipse(x, y + 0.15, 0.15 * width, 0.045, 4 * k, 720 if k != 2 else 120))
        shapes.append(Ellipse(x, y, 0.17 * width, 0.105, 4 * k, 520))
        shapes.append(Ellipse(0.48, y + 0.05, 0.11 * width, 0.07, 25, 380))
    return grain(smooth(paint(rows, columns, 8, shapes)), 10, seed)


def radiograph(rows: int, columns: int, seed: int) -> Picture:
    """A chest radiograph, 0 to 4095, bones bright (MONOCHROME2)."""
    air = paint(
        rows,
        columns,
        0,
        [Ellipse(-0.38, -0.02, 0.28, 0.58, 6, 1), Ellipse(0.38, -0.02, 0.28, 0.58, -6, 1)],
    )
    body = paint(rows, columns, 0, [Ellipse(0, 0.35, 0.84, 1.25, 0, 1)])
    soft = paint(
        rows,
        columns,
        0,
        [
            Ellipse(0, 0, 0.13, 1.4, 0, 0.55),
            Ellipse(0.16, 0.24, 0.30, 0.27, 35, 0.75),
            Ellipse(-0.38, 0.85, 0.38, 0.38, 0, 0.85),
            Ellipse(0.38, 0.95, 0.38, 0.38, 0, 0.80),
            Ellipse(-0.42, -0.22, 0.045, 0.045, 0, 0.35),
        ],
    )
    bone = np.zeros_like(air)
    for side in (-1, 1):
        for k in range(9):
            y = -0.62 + 0.15 * k
            outer = paint(rows, columns, 0, [Ellipse(side * 0.36, y, 0.42, 0.17, side * 18, 1)])
            inner = paint(
                rows, columns, 0, [Ellipse(side * 0.36, y + 0.035, 0.41, 0.165, side * 18, 1)]
            )
            bone += 0.22 * np.clip(outer - inner, 0, 1)
        bone += paint(rows, columns, 0, [Ellipse(side * 0.34, -0.68, 0.36, 0.035, side * -14, 0.4)])
    for k in range(12):
        bone += paint(rows, columns, 0, [Ellipse(0, -0.95 + 0.17 * k, 0.075, 0.07, 0, 0.12)])
    density = body * (0.50 - 0.36 * air) + body * (0.45 * soft + bone * 0.55)
    picture = smooth(density, 3) * 3300 + 200
    return np.clip(grain(picture, 14, seed), 0, 4095)


def sonogram(rows: int, columns: int, phase: float, seed: int) -> Picture:
    """A fan-shaped ultrasound picture, 0 to 255; `phase` (0 to 1) moves what beats."""
    y, x = np.meshgrid(np.linspace(0, 1, rows), np.linspace(-0.65, 0.65, columns), indexing="ij")
    radius, angle = np.hypot(x, y + 0.12), np.arctan2(x, y + 0.12)
    fan = (radius > 0.16) & (radius < 1.06) & (np.abs(angle) < 0.62)
    speckle = np.random.default_rng(seed).rayleigh(1.0, (rows, columns)).astype(np.float32)
    echo = 62 * smooth(speckle, 2) * (1.15 - 0.65 * radius)
    beat = 1 + 0.22 * np.sin(2 * np.pi * phase)
    for cx, cy, r in ((-0.09, 0.42, 0.10), (0.13, 0.47, 0.085), (0.02, 0.68, 0.065)):
        d = np.hypot((x - cx) / r, (y - cy) / (r * 1.25)) / beat
        echo = np.where(d < 1, 7, np.where(d < 1.16, 190, echo))
    arc = np.abs(np.hypot(x, y - 0.3) - 0.56) < 0.012
    echo = np.where(arc & (y > 0.6), 215, echo)
    return np.where(fan, np.clip(echo, 0, 255), 0).astype(np.float32)
