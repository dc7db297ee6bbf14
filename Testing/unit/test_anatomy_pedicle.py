"""Pedicle isthmus against the construction of synthetic patients."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from anatomy_solids import Solid, voxelize
from spinemet import phantom
from spinemet.anatomy.arch.pedicle import Pedicle, Side, pedicles
from spinemet.anatomy.spine import measure_spine
from spinemet.anatomy.spine_line import LevelHint
from spinemet.anatomy.vertebra import measure_vertebra
from spinemet.case import Role
from spinemet.levels import Level
from spinemet.phantom.shape import VertebraShape


@cache
def measured(spacing: float, seed: int = 3) -> list[tuple[Level, VertebraShape, np.ndarray, Pedicle]]:
    size = round(205 / spacing)
    spec = replace(
        phantom.random_spec(seed),
        modalities=(Role.CT,),
        ct_size=(size, size),
        ct_spacing=(spacing, spacing, max(spacing, 1.0)),
    )
    made = phantom.create(spec)
    rows = []
    for level, vertebra in measure_spine(made.vertebrae).vertebrae.items():
        if vertebra.measured:
            pose = made.model.ct.poses[level]
            rows += [(level, made.model.shapes[level], pose, item) for item in pedicles(vertebra).values()]
    return rows


@pytest.mark.parametrize("spacing", [0.8, 1.0])
def test_the_width_is_within_half_a_millimeter_at_fine_voxels(spacing):
    errors = np.array([item.width.value - shape.size.pedicle_width for _, shape, _, item in measured(spacing)])
    print(f"pedicle width error: n={errors.size} mean={errors.mean():.2f} max={np.abs(errors).max():.2f} mm")
    assert np.abs(errors).mean() <= 0.25
    assert np.percentile(np.abs(errors), 95) <= 0.5


def test_the_height_is_within_a_millimeter():
    errors = np.array([item.height.value - shape.size.pedicle_height for _, shape, _, item in measured(0.8)])
    assert np.abs(errors).mean() <= 0.5
    assert np.percentile(np.abs(errors), 95) <= 1.0


@pytest.mark.parametrize("spacing", [0.8, 1.0, 2.0])
def test_the_stated_interval_contains_the_width_in_nine_of_ten(spacing):
    inside = [
        abs(item.width.value - shape.size.pedicle_width) <= item.width.uncertainty
        for _, shape, _, item in measured(spacing)
        if item.width.known
    ]
    assert np.mean(inside) >= 0.9


def test_the_axis_converges_as_constructed():
    for level, shape, pose, item in measured(0.8):
        axis = np.array(item.axis) @ pose[:3, :3]
        angle = -item.side.sign * np.degrees(np.arctan2(axis[0], axis[1]))
        assert abs(angle - shape.size.pedicle_angle) <= 12.0, (level, item.side, angle, shape.size.pedicle_angle)


def test_the_isthmus_lies_in_the_pedicle():
    for level, shape, pose, item in measured(0.8):
        x, y, z = (np.array([v], np.float32) for v in np.linalg.inv(pose)[:3] @ [*item.center, 1.0])
        assert shape.arch(x, y, z)["pedicle"][0] < 0, (level, item.side)
        assert np.sign(x[0]) == item.side.sign


def test_c1_c2_and_the_sacrum_say_why_there_is_no_pedicle():
    for level in (Level.C1, Level.C2, Level.S1):
        vertebra = measure_vertebra(voxelize(Solid()), level, hint=LevelHint())
        for item in pedicles(vertebra).values():
            assert not item.width.known
            assert str(level) in item.reason or "sacrum" in item.reason


def test_sides_are_named_for_the_patient():
    assert Side.RIGHT.sign == 1
    assert Side.LEFT.sign == -1
