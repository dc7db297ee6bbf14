"""Slicer's grow-from-seeds as an engine for tumors: grows to the border, on any grid, up to the region's faces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spinemet.image import Image
from spinemet.segmentation.tumor_outline import outline_tumor
from spinemet.segmentation.tumor_strokes import Stroke


def _block(spacing: tuple[float, float, float]) -> tuple[Image, np.ndarray]:
    truth = np.zeros((30, 40, 44), bool)
    truth[10:20, 14:28, 15:30] = True
    values = np.where(truth, 150.0, 30.0) + np.random.default_rng(3).normal(0, 8, truth.shape)
    return Image(values.astype(np.int16), np.diag([*spacing, 1.0]), name="T1"), truth


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (-0.8, -0.8, 2.0)])
def test_seeds_grow_to_the_border(a_session: Any, spacing: tuple[float, float, float]) -> None:
    from spinemet.scene.outline_engines import GrowFromSeeds

    image, truth = _block(spacing)
    seeds = np.zeros(truth.shape, np.uint8)
    seeds[0] = seeds[-1] = 2
    seeds[:, 0] = seeds[:, -1] = 2
    seeds[:, :, 0] = seeds[:, :, -1] = 2
    seeds[15, 20, 18:27] = 1
    found = GrowFromSeeds().grow(image, seeds)
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.97


def test_a_tumor_is_outlined_with_it(a_session: Any) -> None:
    from spinemet.scene.outline_engines import GrowFromSeeds

    image, truth = _block((1.0, 1.0, 1.5))
    stroke = Stroke(((18.0, 20.0, 22.5), (26.0, 20.0, 22.5)))
    found = outline_tumor(image, [stroke], engine=GrowFromSeeds())
    mask = found.on(image.grid)
    assert "grown from the strokes by Slicer's grow from seeds" in found.notes
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.9
