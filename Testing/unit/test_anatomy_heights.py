"""Heights where the plate is not smooth, and how well their ± knows the voxel layers: solids of known form."""

from __future__ import annotations

import numpy as np
import pytest

from anatomy_solids import Solid, turned, voxelize
from spinemet.anatomy import Column, LevelHint, Plane, Vertebra, measure_vertebra
from spinemet.anatomy.frame import VertebraFrame
from spinemet.anatomy.layers import BENDS, OFFSETS, layer_steps, spread_95
from spinemet.image import Grid, Image
from spinemet.levels import Level

FLAT = Solid()
UPRIGHT = VertebraFrame((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def dented(radius: float, depth: float, *, anterior: float = 0.0, spacing: float = 0.8) -> Vertebra:
    """A flat body with a round hole in the middle of its superior plate."""
    image = voxelize(FLAT, spacing=spacing)
    k, j, i = np.indices(image.shape)
    x, y, z = np.moveaxis(image.grid.to_world(np.stack([i, j, k], axis=-1)), -1, 0)
    hole = (np.hypot(x, y - anterior) < radius) & (z > FLAT.height / 2 - depth)
    return measure_vertebra(Image(image.array & ~hole, image.ijk_to_ras), Level.L1, hint=LevelHint())


def test_a_schmorls_node_is_left_out_of_the_height_and_said_apart():
    height = dented(5.0, 5.0).height(Column.MIDDLE)
    assert height.value == pytest.approx(FLAT.height, abs=0.8)
    assert any("superior endplate (Schmorl's node?)" in text and "with it 2" in text for text in height.limits)


def test_the_depth_of_the_node_gives_the_reader_the_other_height():
    text = " ".join(dented(5.0, 6.0).height(Column.MIDDLE).limits)
    other = float(text.rsplit("with it ", 1)[1].split()[0])
    assert other == pytest.approx(FLAT.height - 6.0, abs=1.2)


def test_heights_beside_a_node_do_not_mention_it():
    assert not dented(5.0, 5.0).height(Column.ANTERIOR).limits
    assert not dented(5.0, 5.0).height(Column.MIDDLE, Plane.LEFT).limits


def test_a_depression_of_more_than_a_third_of_the_plate_is_a_collapse():
    height = dented(14.5, 7.0).height(Column.MIDDLE)
    assert height.value == pytest.approx(FLAT.height - 7.0, abs=1.0)
    assert not any("Schmorl" in text for text in height.limits)


def test_a_broken_rim_is_no_node():
    front = dented(8.0, 6.0, anterior=FLAT.depth / 2).height(Column.ANTERIOR)
    assert not any("Schmorl" in text for text in front.limits)


def test_a_smooth_hollow_is_no_node():
    vertebra = measure_vertebra(voxelize(Solid(concavity=4.0), spacing=0.8), Level.L1, hint=LevelHint())
    for plane in Plane:
        for column in Column:
            assert not vertebra.height(column, plane).limits


# What the layers do


def grid(spacing: tuple[float, float, float]) -> Grid:
    return Grid((60, 60, 60), np.diag([*spacing, 1.0]))


def plane(slope: float) -> tuple[np.ndarray, np.ndarray]:
    columns = np.stack(np.meshgrid(np.arange(-20.0, 20.0), np.arange(-15.0, 15.0)), axis=-1).reshape(-1, 2)
    return columns, 5.0 + slope * columns[:, 1]


def test_a_plate_within_one_layer_is_known_to_half_a_layer():
    means = layer_steps(*plane(0.0), UPRIGHT, grid((1.0, 1.0, 3.0))).mean(axis=1)
    means = means[np.repeat(~BENDS.any(axis=1), OFFSETS)]
    assert np.ptp(means) == pytest.approx(3.0 * (1 - 1 / OFFSETS), abs=0.02)
    assert np.abs(means).max() < 1.5
    # The difference of two such plates is triangular: 95 % lie within 0.776 of a layer.
    assert spread_95(means, means) == pytest.approx(0.776 * 3.0, abs=0.2)


@pytest.mark.parametrize("pitch", range(9))
def test_a_tilt_that_hides_within_one_thick_slice_is_within_the_stated_error(pitch):
    """Up to 3 mm / 33 mm = 5° a plate of this body may lie between two slices and reads as parallel to them."""
    image = voxelize(FLAT, spacing=(0.8, 0.8, 3.0), axes=turned(pitch=pitch))
    vertebra = measure_vertebra(image, Level.L1, hint=LevelHint())
    for plate, sign in ((vertebra.superior_endplate, 1), (vertebra.inferior_endplate, -1)):
        assert np.degrees(np.arccos(min(1.0, sign * plate.normal[2]))) <= plate.tilt_error <= 6.0


def test_a_plate_that_crosses_many_layers_is_known_far_better():
    means = layer_steps(*plane(0.4), UPRIGHT, grid((1.0, 1.0, 3.0))).mean(axis=1)
    assert np.abs(means).max() < 0.2


def test_thick_layers_count_only_along_the_plates_normal():
    sagittal = Grid((60, 60, 60), np.array([[0, 0, 3.0, 0], [0, 0.7, 0, 0], [0.7, 0, 0, 0], [0, 0, 0, 1.0]]))
    steps = layer_steps(*plane(0.0), UPRIGHT, sagittal)
    assert np.abs(steps).max() <= 0.35 + 1e-9


@pytest.mark.parametrize("pitch", [0.0, 17.0])
def test_a_turned_grid_narrows_the_stated_interval_and_it_still_holds(pitch):
    image = voxelize(FLAT, spacing=(0.8, 0.8, 3.0), axes=turned(pitch=pitch, roll=pitch / 2))
    height = measure_vertebra(image, Level.L1, hint=LevelHint()).height(Column.MIDDLE)
    assert abs(height.value - FLAT.height) <= height.uncertainty
    assert height.uncertainty == pytest.approx(2.3, abs=0.4) if pitch == 0.0 else height.uncertainty < 1.2
