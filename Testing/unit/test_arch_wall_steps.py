"""The error of a bar's width from voxel steps, against closed formulas and against bars that are outlined."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from spinemet.anatomy.arch.wall_steps import wall_steps
from spinemet.image import Grid

FLAT = (7.0, 300.0)
"""A bar so high that its walls are flat where its width is read."""


def grid(spacing: tuple[float, float, float], degrees: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Grid:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() * np.array(spacing)
    matrix[:3, 3] = matrix[:3, :3] @ np.full(3, -40.0)
    return Grid((81, 81, 81), matrix)


def of(size: tuple[float, float], where: Grid) -> float:
    return wall_steps(np.eye(3), size, where, band_mm=2.5, length_mm=2.0)


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (1.0, 1.0, 1.0), (0.8, 0.8, 3.0), (2.0, 0.7, 0.7)])
def test_flat_walls_along_the_layers_are_each_known_to_a_layer(spacing):
    # The difference of two errors that are even over a layer of v has a triangle's distribution: 95 % lie within
    # v (1 - √0.05).
    assert of(FLAT, grid(spacing)) == pytest.approx(spacing[0] * (1 - np.sqrt(0.05)), rel=0.08)


def test_walls_across_the_layers_even_their_steps_out():
    straight, turned = of(FLAT, grid((1.0, 1.0, 1.0))), of(FLAT, grid((1.0, 1.0, 1.0), (0.0, 25.0, 15.0)))
    assert turned < 0.3 * straight


@pytest.mark.parametrize("degrees", [(0.0, 0.0, 0.0), (3.0, 0.0, 5.0), (10.0, -15.0, 20.0)])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 0.8, 2.0)])
def test_outlined_bars_err_as_much_as_stated(degrees, spacing):
    """Bars with a round section outlined at random offsets, their width read between the walls of the outline."""
    width, height = 7.0, 14.0
    where, rng = grid(spacing, degrees), np.random.default_rng(3)
    side, along, up = np.meshgrid(
        np.arange(-6, 6, 0.1), np.linspace(-1, 1, 3), np.linspace(-2.4, 2.4, 9), indexing="ij"
    )
    read = []
    for _ in range(150):
        move = rng.uniform(-3, 3, 3)
        index = where.to_index(np.stack([side, along, up], axis=-1) + move)
        inside = np.zeros(side.shape)
        low = np.floor(index)
        for corner in np.ndindex(2, 2, 2):
            center = where.to_world(low + corner) - move
            weight = np.prod(np.abs(1 - np.array(corner) - (index - low)), axis=-1)
            bone = (center[..., 0] / (width / 2)) ** 2 + (center[..., 2] / (height / 2)) ** 2 <= 1
            inside += weight * bone
        chord = (inside >= 0.5).sum(axis=0).mean() * 0.1
        read.append(chord)
    truth = np.mean([width * np.sqrt(1 - (2 * z / height) ** 2) for z in np.linspace(-2.4, 2.4, 9)])
    errors = np.abs(np.array(read) - truth)
    stated = of((width, height), where)
    print(f"stated ±{stated:.3f}, 95 % of the errors within {np.percentile(errors, 95):.3f} mm")
    assert np.percentile(errors, 95) == pytest.approx(stated, abs=max(0.4 * stated, 0.06))
