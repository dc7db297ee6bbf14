"""Pictures that let a person judge a registration: checkerboard, edges of one image on the other, and flicker.

Key functions: `spine_planes` (where to look), `compared` (both images there), `checkerboard`, `edge_overlay`,
`flicker`. The arrays serve views and PNG files, the figures the page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.image import Image
from spinemet.report.drawing import Drawing, Figure, svg
from spinemet.report.markup import Markup, tag
from spinemet.report.planes import Plane
from spinemet.report.windows import Window

Carry = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Carries points (…, 3) of the fixed image to the moving image, RAS mm."""
Gray = NDArray[np.uint8]

PIXEL_MM = 0.7
FIELD_MM = 18.0
"""Side of a field of the checkerboard: about a vertebral body, so that its cortex crosses several borders."""
MARGIN_MM = 40.0
EDGE_COLOR = (255, 140, 0)
EDGES_SHOWN = 0.12
"""Share of the pixels that the strongest edges take."""
FLICKER_SECONDS = 1.6
WIDTH, HEIGHT = 340.0, 620.0


@dataclass(frozen=True, eq=False)
class Compared:
    """The fixed image and the moving image as it is carried there, on one plane.

    :param fixed, moving: (rows, columns) of 8 bits.
    :param shown: where the moving image reaches.
    """

    plane: Plane
    fixed: Gray
    moving: Gray
    shown: NDArray[np.bool_]


def spine_planes(centers: NDArray[np.float64]) -> dict[str, Plane]:
    """A sagittal and a coronal surface that follow the bodies from side to side, or from front to back.

    :param centers: (n, 3) of the vertebrae, RAS mm; or corners of the region to show.
    """
    ordered = centers[np.argsort(centers[:, 2])]
    low, high = centers.min(axis=0) - MARGIN_MM, centers.max(axis=0) + MARGIN_MM
    left, back, down = np.array([-1.0, 0, 0]), np.array([0, -1.0, 0]), np.array([0, 0, -1.0])
    return {
        "sagittal": _bent(ordered, low, high, back, down, 1, 0),
        "coronal": _bent(ordered, low, high, left, down, 0, 1),
    }


def compared(plane: Plane, fixed: Image, moving: Image, windows: tuple[Window, Window], carry: Carry) -> Compared:
    """Both images on a plane of the fixed one, the moving image where `carry` takes the plane's points."""
    points = plane.points()
    one, other = fixed.sample(points), moving.sample(carry(points))
    return Compared(plane, windows[0].gray(one), windows[1].gray(other), np.isfinite(other))


def checkerboard(pair: Compared, field_mm: float = FIELD_MM) -> Gray:
    """Fields of both images in turn."""
    rows, columns = np.indices(pair.fixed.shape)
    size = max(1, round(field_mm / pair.plane.pixel))
    return np.where((rows // size + columns // size) % 2 == 0, pair.fixed, pair.moving).astype(np.uint8)


def edge_overlay(pair: Compared) -> NDArray[np.uint8]:
    """The fixed image with the strongest edges of the moving one in orange, (rows, columns, 3)."""
    result = np.repeat(pair.fixed[..., None], 3, axis=-1)
    result[edges(pair.moving, pair.shown)] = EDGE_COLOR
    return result


def edges(gray: Gray, shown: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Ridges of the gradient (Canny 1986, without hysteresis), one or two pixels wide."""
    smooth = ndimage.gaussian_filter(gray.astype(np.float32), 1.2)
    down, across = np.gradient(smooth)
    strength = np.hypot(down, across)
    strength[~ndimage.binary_erosion(shown, iterations=4)] = 0
    unit = np.stack([down, across]) / np.maximum(strength, 1e-6)
    place = np.indices(gray.shape).astype(np.float32)
    ahead, behind = (
        ndimage.map_coordinates(strength, place + sign * unit, order=1, mode="nearest") for sign in (1, -1)
    )
    ridge = (strength >= ahead) & (strength > behind) & (strength > 0)
    if not ridge.any():
        return ridge
    within = int(shown.sum() * EDGES_SHOWN)
    values = np.sort(strength[ridge])[::-1]
    return np.asarray(ridge & (strength >= values[min(within, len(values) - 1)]))


def picture_of(pair: Compared, pixels: NDArray[np.uint8], caption: str) -> Figure:
    """Pixels of a comparison with letters and scale."""
    width = _width(pair.plane)
    drawing = Drawing(pair.plane, pixels, width=width)
    drawing.letters()
    drawing.scale_bar()
    return Figure(drawing.svg(caption), caption, width)


def flicker(pair: Compared, titles: tuple[str, str], caption: str) -> Figure:
    """Both images in turn at one place; still for those who asked their system for less motion."""
    width = _width(pair.plane)
    layers = []
    for n, (pixels, title) in enumerate(zip((pair.fixed, pair.moving), titles, strict=True)):
        drawing = Drawing(pair.plane, pixels, width=width)
        drawing.text(6, drawing.height - 7, title, size=13, weight="bold")
        drawing.letters()
        layers.append(tag("g", drawing.inner(), class_="flicker" if n else None))
    style = (
        f".flicker{{animation:flicker {FLICKER_SECONDS}s steps(1) infinite}}"
        "@keyframes flicker{0%{opacity:0}50%{opacity:1}}"
        "@media(prefers-reduced-motion:reduce){.flicker{animation:none;opacity:.5}}"
        "@media print{.flicker{animation:none;opacity:.5}}"
    )
    height = pair.plane.shape[0] * width / pair.plane.shape[1]
    return Figure(svg(width, height, caption, tag("style", Markup(style)), *layers), caption, width)


def _width(plane: Plane) -> float:
    return min(WIDTH, HEIGHT * plane.shape[1] / plane.shape[0])


def _bent(
    ordered: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64],
    across: NDArray[np.float64], down: NDArray[np.float64], wide: int, deep: int,
) -> Plane:  # fmt: skip
    """A plane whose rows follow the centers along the axis `deep`."""
    middle = (low + high) / 2
    middle[deep] = float(ordered[:, deep].mean())
    shape = (round((high[2] - low[2]) / PIXEL_MM), round((high[wide] - low[wide]) / PIXEL_MM))
    flat = Plane(middle, across, down, shape, PIXEL_MM)
    heights = middle[2] - (np.arange(shape[0]) - (shape[0] - 1) / 2) * PIXEL_MM
    aside = np.interp(heights, ordered[:, 2], ordered[:, deep] - middle[deep])
    return Plane(middle, across, down, shape, PIXEL_MM, aside * float(flat.normal[deep]))
