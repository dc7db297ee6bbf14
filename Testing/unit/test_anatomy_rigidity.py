"""Rigidity against closed solutions: EA = E·A and EI = E·πr⁴/4 of a cylinder, E·w·h³/12 of a bar."""

from __future__ import annotations

import numpy as np
import pytest

from anatomy_solids import Solid
from spinemet.anatomy import measure_spine
from spinemet.anatomy.bone.rigidity import modulus_of, rigidity, rigidity_profile, sum_slices
from spinemet.anatomy.sampling import LocalSamples
from spinemet.image import Image
from spinemet.levels import Level
from stacked_solids import Placed, label_map

STEP = 0.5
MODULUS = 200.0
LEVELS = (Level.T12, Level.L1, Level.L2)
LABELS = label_map([Placed(level, Solid(), (0.0, 0.0, -38.0 * n)) for n, level in enumerate(LEVELS)], spacing=0.8)


def sampled(inside) -> tuple[LocalSamples, np.ndarray]:
    axis = np.arange(-25, 25 + STEP / 2, STEP)
    r, a, _ = np.meshgrid(axis, axis, np.arange(4) * STEP, indexing="ij")
    values = inside(r, a).astype(np.float32)
    return LocalSamples(values, np.array([-25.0, -25.0, 0.0]), np.full(3, STEP)), np.full(values.shape, 100.0)


def constant(hounsfield):
    return np.full_like(hounsfield, MODULUS)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (4.0, -3.0)])
def test_a_cylinder_has_the_rigidity_of_its_formula_wherever_it_stands(shift):
    radius = 15.0
    solid, values = sampled(lambda r, a: (r - shift[0]) ** 2 + (a - shift[1]) ** 2 <= radius**2)
    profile = sum_slices(solid, values, constant)
    assert profile.axial == pytest.approx(MODULUS * np.pi * radius**2 / 1e3, rel=0.005)
    for bending in (profile.sagittal, profile.coronal):
        assert bending == pytest.approx(MODULUS * np.pi * radius**4 / 4 / 1e6, rel=0.01)


def test_a_bar_bends_harder_over_its_long_side():
    width, depth = 30.25, 20.25  # to the samples' outer faces
    solid, values = sampled(lambda r, a: (np.abs(r) <= width / 2) & (np.abs(a) <= depth / 2))
    width, depth = (STEP * np.count_nonzero(line) for line in (solid.values[:, 50, 0], solid.values[50, :, 0]))
    profile = sum_slices(solid, values, constant)
    assert profile.axial == pytest.approx(MODULUS * width * depth / 1e3, rel=1e-3)
    assert profile.sagittal == pytest.approx(MODULUS * width * depth**3 / 12 / 1e6, rel=2e-3)
    assert profile.coronal == pytest.approx(MODULUS * depth * width**3 / 12 / 1e6, rel=2e-3)


def test_two_materials_add_up_about_their_common_center():
    """Half of a bar is twice as stiff: EA is the sum, EI is about the modulus-weighted center (parallel axes)."""
    solid, _ = sampled(lambda r, a: (np.abs(r) < 10.1) & (np.abs(a) < 10.1))
    axis = solid.axis(1)
    values = np.where(axis[None, :, None] > 0.1, 2.0, 1.0) * np.ones(solid.values.shape)
    profile = sum_slices(solid, values, lambda hounsfield: MODULUS * hounsfield)
    rows = [(float(a), MODULUS * (2.0 if a > 0.1 else 1.0) * 20.5 * STEP) for a in axis if abs(a) < 10.1]
    total = sum(weight for _, weight in rows)
    center = sum(a * weight for a, weight in rows) / total
    assert profile.axial == pytest.approx(total / 1e3, rel=1e-6)
    assert profile.sagittal == pytest.approx(sum((a - center) ** 2 * weight for a, weight in rows) / 1e6, rel=1e-6)


def test_a_voxelized_body_of_one_density_has_the_rigidity_of_its_outline():
    solid = Solid()
    spine = measure_spine(LABELS)
    profile = rigidity_profile(LABELS.image.with_array(np.full(LABELS.image.shape, 100.0)), spine[Level.L1], constant)
    x, y = np.meshgrid(np.linspace(-25, 25, 2001), np.linspace(-20, 20, 1601), indexing="ij")
    inside = (2 * np.abs(x) / solid.width) ** 4 + (2 * np.abs(y) / solid.depth) ** 4 <= 1
    cell = (50 / 2000) * (40 / 1600)
    assert np.median(profile.axial) == pytest.approx(MODULUS * inside.sum() * cell / 1e3, rel=0.04)
    assert np.median(profile.sagittal) == pytest.approx(MODULUS * (y[inside] ** 2).sum() * cell / 1e6, rel=0.08)
    assert np.median(profile.coronal) == pytest.approx(MODULUS * (x[inside] ** 2).sum() * cell / 1e6, rel=0.08)


def image(hounsfield: dict[Level, float]) -> Image:
    array = np.full(LABELS.image.shape, -50, np.int16)
    for level, value in LABELS.levels.items():
        array[LABELS.image.array == value] = hounsfield[level]
    return LABELS.image.with_array(array)


def test_a_soft_body_is_compared_with_its_neighbors():
    """Three equal bodies: the ratio is that of the moduli."""
    spine = measure_spine(LABELS)
    ct = image({Level.T12: 150.0, Level.L1: 60.0, Level.L2: 150.0})
    result = rigidity(Level.L1, ct, spine, involved={Level.L1})
    soft, hard = modulus_of(np.array([60.0, 150.0]))
    assert result.neighbors == (Level.T12, Level.L2)
    for ratio in (result.axial_ratio, result.bending_ratio):
        assert ratio.value == pytest.approx(100 * soft / hard, abs=max(3.0, ratio.uncertainty))
        assert any("uncalibrated" in limit for limit in ratio.limits)


def test_a_hole_in_one_slice_governs():
    spine = measure_spine(LABELS)
    ct = image(dict.fromkeys(LEVELS, 150.0))
    whole = rigidity(Level.L1, ct, spine, involved={Level.L1})
    i, j, k = np.rint(ct.to_index(spine[Level.L1].frame.origin)).astype(int)
    ct.array[k + 4 : k + 8, j - 12 : j + 13, i - 12 : i + 13] = -40
    holed = rigidity(Level.L1, ct, spine, involved={Level.L1})
    assert holed.axial_ratio.value < 0.75 * whole.axial_ratio.value
    height = np.subtract(holed.axial.position, spine[Level.L1].frame.origin) @ spine[Level.L1].frame.superior
    assert 2.0 <= height <= 7.5


def test_the_modulus_grows_with_density_and_never_vanishes():
    moduli = modulus_of(np.array([-100.0, 0.0, 100.0, 300.0]))
    assert (np.diff(moduli) > 0).all() and moduli[0] > 0
    assert moduli[2] == pytest.approx(4730 * (0.047 + 0.1122) ** 1.56)


def test_what_is_missing_is_said():
    spine = measure_spine(LABELS)
    assert "no CT" in rigidity(Level.L1, None, spine, involved=set()).axial.reason
    ct = image(dict.fromkeys(LEVELS, 150.0))
    assert "not outlined" in rigidity(Level.L4, ct, spine, involved=set()).axial.reason
    alone = rigidity(Level.L1, ct, spine, involved=set(LEVELS))
    assert alone.axial.known and "no uninvolved neighbor" in alone.axial_ratio.reason
