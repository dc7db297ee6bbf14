"""A small spine in the scene: five vertebra-like solids, the third one wedged and eaten by a lesion on the left."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from anatomy_solids import Solid
from spinemet.case import ImageRef, Outline, Role, Structure
from spinemet.image import Grid, Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level

LEVELS = (Level.L1, Level.L2, Level.L3, Level.L4, Level.L5)
COLLAPSED = Level.L3
SPACING = 2.0
PITCH = 38.0
"""Distance of the bodies' centers, mm."""
BONE, LYTIC, SOFT_TISSUE = 230, 20, 40
"""HU."""


@dataclass(frozen=True)
class SmallSpine:
    """The nodes, and where the lesion's center lies (RAS, mm)."""

    volume: Any
    segmentation: Any
    lesion_center: tuple[float, float, float]


@cache
def images() -> tuple[Image, LabelMap, LabelMap]:
    """CT, vertebrae and lesion; L1 on top, the patient's left is −x."""
    size = np.array([70, 56, 105])
    matrix = np.diag([SPACING, SPACING, SPACING, 1.0])
    matrix[:3, 3] = [-SPACING * 34.5, -SPACING * 40, -SPACING * 52]
    grid = Grid((int(size[2]), int(size[1]), int(size[0])), matrix)
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    points = grid.to_world(np.stack([i, j, k], axis=-1))
    noise = np.random.default_rng(7)
    ct = noise.normal(SOFT_TISSUE, 8, grid.shape)
    labels = np.zeros(grid.shape, np.uint8)
    lesion = np.zeros(grid.shape, np.uint8)
    for number, level in enumerate(LEVELS, start=1):
        # In front (90 % of the depth) 13.4 mm are left of 27, in the middle 19.
        solid = Solid(height=19.0, wedge=-24.0) if level is COLLAPSED else Solid()
        local = points - np.array([0.0, 0.0, PITCH * (3 - number)])
        labels[solid.inside(local)] = number
        if level is COLLAPSED:
            x, y = local[..., 0], local[..., 1]
            reach = (x < 4) & (y > -solid.depth / 2 - 12)
            lesion[(labels == number) & reach] = 1
    ct[labels > 0] = noise.normal(BONE, 25, int((labels > 0).sum()))
    ct[lesion > 0] = noise.normal(LYTIC, 15, int((lesion > 0).sum()))
    image = Image(ct.astype(np.int16), matrix, frame="frame-1", name="CT")
    bones = {n: Outline(Structure.VERTEBRA, level) for n, level in enumerate(LEVELS, start=1)}
    vertebrae = LabelMap(image.with_array(labels), bones, numbering="by construction")
    lesions = LabelMap(image.with_array(lesion), {1: Outline(Structure.LESION, lesion_id="lesion-1")})
    return image, vertebrae, lesions


def add_to(scene: Any) -> SmallSpine:
    """Put the small spine into a scene."""
    from spinemet.scene import segmentation_from_labelmaps, volume_from_image

    image, vertebrae, lesions = images()
    ref = ImageRef(key="ct", role=Role.CT, frame="frame-1", description="CT", date="2026-03-02")
    volume = volume_from_image(scene, image, ref, "CT")
    segmentation = segmentation_from_labelmaps(scene, [vertebrae, lesions], volume)
    inside = np.argwhere(lesions.image.array)[:, ::-1].mean(axis=0)
    x, y, z = (float(value) for value in image.to_world(inside))
    return SmallSpine(volume, segmentation, (x, y, z))
