"""Cortical breaks against holes of known size in a closed shell, on straight, oblique and anisotropic grids."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anatomy_solids import turned
from broken_bone import BrokenBone, Hole, broken_bone, oblique
from spinemet.anatomy.lesions.bone_surface import bone_surface
from spinemet.anatomy.lesions.cortex import cortical_breaks
from spinemet.image import Grid, Image

ENDPLATE, WALL, SIDE = (0.0, 2.0, 13.0), (0.0, -16.0, 0.0), (22.0, -8.0, 0.0)
PLACES = {"endplate": (ENDPLATE, 2), "posterior wall": (WALL, 1), "side": (SIDE, 0)}


def planted(place: str, radius: float, **how) -> tuple[BrokenBone, Hole]:
    """A lesion of 9 mm under a place of the shell, and a hole there; without one when the radius is 0."""
    center, axis = PLACES[place]
    hole = Hole(center, axis, radius)
    inward = np.array(center) - np.sign(center[axis]) * np.eye(3)[axis] * 9.2
    return broken_bone(tuple(inward), 9.0, (hole,) if radius else (), **how), hole


def ball(radius: float, spacing: tuple[float, float, float], axes: np.ndarray, shear: float = 0.0) -> Image:
    half = np.ceil((radius + 6) / np.array(spacing)).astype(int)
    matrix = np.eye(4)
    matrix[:3, :3] = axes * np.array(spacing)
    matrix[:3, 2] += shear * spacing[2] * axes[:, 1]
    matrix[:3, 3] = -matrix[:3, :3] @ (half + 0.3)
    shape = tuple(int(n) for n in (2 * half + 1)[::-1])
    grid = Grid((shape[0], shape[1], shape[2]), matrix)
    k, j, i = np.indices(grid.shape)
    return Image(np.linalg.norm(grid.to_world(np.stack([i, j, k], axis=-1)), axis=-1) < radius, matrix)


@pytest.mark.parametrize("spacing", [(0.7, 0.7, 0.7), (1.0, 1.0, 1.0), (0.8, 0.8, 2.0), (0.8, 0.8, 3.0)])
@pytest.mark.parametrize("axes", [np.eye(3), oblique()], ids=["straight", "oblique"])
@pytest.mark.parametrize("shear", [0.0, 0.3])
def test_the_area_of_a_ball_is_right_on_any_grid(spacing, axes, shear):
    surface = bone_surface(ball(15.0, spacing, axes, shear))
    assert surface.areas.sum() == pytest.approx(4 * np.pi * 15.0**2, rel=0.08 if max(spacing) > 1 else 0.05)
    assert (surface.normals * surface.points).sum(axis=1).min() > 0


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "how",
    [
        {"spacing": (0.7, 0.7, 0.7)},
        {"spacing": (0.8, 0.8, 2.0), "axes": oblique()},
        {"spacing": (1.0, 1.0, 3.0), "pose": turned(pitch=15, roll=8, yaw=-10)},
    ],
    ids=["fine", "oblique 2 mm", "turned 3 mm"],
)
def test_a_hole_of_known_size_is_found_where_it_is(place, how):
    for radius in (3.5, 6.0):
        case, hole = planted(place, radius, **how)
        found = cortical_breaks(case.ct, case.vertebra, case.lesion)
        assert len(found.breaks) == 1
        area = found.area
        assert area.value == pytest.approx(hole.area, abs=max(area.uncertainty, 6.0)), area.text()
        middle = np.array(found.breaks[0].area.position)
        assert np.linalg.norm(middle - case.to_ras(hole.center)) < 2.0
        assert found.breaks[0].wall == (place == "posterior wall")
        on_wall = found.wall_area.value
        assert on_wall == pytest.approx(area.value if place == "posterior wall" else 0.0, abs=2.0)


@pytest.mark.parametrize("place", PLACES)
def test_an_intact_shell_over_a_lesion_has_no_break(place):
    case, _ = planted(place, 0.0, spacing=(0.8, 0.8, 1.5), noise_hu=35.0)
    found = cortical_breaks(case.ct, case.vertebra, case.lesion)
    assert found.area.value == 0.0
    assert found.covered.value > 50.0
    assert not found.breaks


def test_two_holes_are_two_breaks_named_by_part():
    holes = (Hole((22.0, -8.0, 0.0), 0, 4.0), Hole((8.0, 2.0, 13.0), 2, 4.0))
    case = broken_bone((12.0, -2.0, 3.0), 11.0, holes, spacing=(0.8, 0.8, 0.8))
    body, arch = case.vertebra.body, case.vertebra.arch
    found = cortical_breaks(case.ct, case.vertebra, case.lesion, parts={"body": body, "arch": arch})
    assert [item.part for item in found.breaks] == ["body", "body"]
    for item, hole in zip(sorted(found.breaks, key=lambda b: b.area.position[2]), holes, strict=True):
        assert item.area.value == pytest.approx(hole.area, abs=item.area.uncertainty)


def test_in_streaks_everything_is_unknown():
    case, _ = planted("endplate", 5.0)
    found = cortical_breaks(case.ct, case.vertebra, case.lesion, streaks="streaks of metal cross the vertebra")
    assert all(item.value is None and "metal" in item.reason for item in found.measurements)


def test_without_a_ct_a_tumor_on_both_sides_of_the_surface_is_flagged():
    case, hole = planted("posterior wall", 5.0)
    outline = case.lesion.array.copy()
    k, j, i = np.indices(outline.shape)
    points = case.lesion.to_world(np.stack([i, j, k], axis=-1)) - case.center
    outline |= (np.hypot(points[..., 0], points[..., 2]) <= hole.radius) & (np.abs(points[..., 1] + 18.0) <= 3.0)
    found = cortical_breaks(None, case.vertebra, case.lesion.with_array(outline))
    assert found.area.value == pytest.approx(hole.area, rel=0.25)
    assert any("no CT" in limit for limit in found.area.limits)
    inside_only = cortical_breaks(None, case.vertebra, case.lesion)
    assert inside_only.area.value == 0.0


def test_a_lesion_as_dense_as_cortex_leaves_it_unknown():
    case, _ = planted("endplate", 5.0)
    dense = np.where(case.lesion.array, 800.0, case.ct.array)
    found = cortical_breaks(case.ct.with_array(dense), case.vertebra, case.lesion)
    assert found.area.value is None
    assert "dense" in found.area.reason


def test_a_lesion_that_leaves_no_intact_cortex_is_unknown():
    case, _ = planted("endplate", 5.0)
    found = cortical_breaks(case.ct, case.vertebra, case.vertebra.mask)
    assert found.area.value is None


def test_odd_lesions_never_crash():
    case, _ = planted("endplate", 0.0, spacing=(1.0, 1.0, 2.0))
    none = case.lesion.with_array(np.zeros_like(case.lesion.array))
    assert cortical_breaks(case.ct, case.vertebra, none).area.value is None
    one = none.array.copy()
    one[tuple(np.argwhere(case.lesion.array)[0])] = True
    assert not cortical_breaks(case.ct, case.vertebra, none.with_array(one)).breaks
    bodyless = replace(case.vertebra, body=None, reason="the body was not found")
    found = cortical_breaks(case.ct, bodyless, case.lesion)
    assert found.area.value == 0.0
    assert found.wall_area.value is None


def test_it_does_not_matter_how_far_reference_cortex_is_sought_first(monkeypatch):
    case, _ = planted("posterior wall", 4.0, spacing=(0.8, 0.8, 1.5))
    found = []
    for reach in (0.5, 1000.0):
        monkeypatch.setattr("spinemet.anatomy.lesions.cortex.SEARCHED_MM", reach)
        found.append(cortical_breaks(case.ct, case.vertebra, case.lesion).area)
    assert found[0] == found[1]
